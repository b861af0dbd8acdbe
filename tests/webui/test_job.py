"""FreeU for one job: the right UNet, the right step, and nothing left behind."""

import copy
import gc
from types import SimpleNamespace

import pytest
import torch

from freeu import Settings, attach
from freeu.webui import run
from tests.unets import SHAPES, build, hooks_on, inputs, shared

SETTINGS = Settings(b1=1.4, s1=0.5)


class Job:
    """As much of the host's job as a Run reads."""

    def __init__(self, settings=None, hires=False):
        self.is_hr_pass = hires
        if settings:
            run.start(self, settings)


def params(job, step=0, steps=10, order=1):
    return SimpleNamespace(denoiser=SimpleNamespace(p=job, step=step, steps=steps, total_steps=order * steps))


def output(unet):
    x, t, context = inputs()
    with torch.inference_mode():
        return unet(x, t, context)


@pytest.fixture
def unet():
    unet = shared("SDXL")
    assert hooks_on(unet) == 0
    yield unet
    gc.collect()
    assert hooks_on(unet) == 0


@pytest.fixture
def turns(unet):
    turns = run.Turns(lambda: unet)
    yield turns
    turns.close()


def test_a_job_with_freeu_gets_what_attach_gives(unet, turns):
    with attach(unet, SETTINGS) as session:
        session.at(0, 10)
        wanted = output(unet)
    job = Job(SETTINGS)
    turns.before_call(params(job))
    assert torch.equal(output(unet), wanted)
    assert run.run_of(job).calls == len(SHAPES["SDXL"].channels[1]) + len(SHAPES["SDXL"].channels[2])
    run.end(job)


@pytest.mark.parametrize(("order", "calls"), [(1, 10), (2, 19), (2, 25), (1, 45)])
def test_both_calls_of_a_second_order_step_share_its_strength(unet, turns, order, calls):
    """Heun makes two calls a step; adaptive samplers go on after the last."""
    job = Job(Settings(start=0.2, stop=0.6))
    acting = []
    for call in range(calls):
        before = run.run_of(job).calls
        turns.before_call(params(job, call, order=order))
        output(unet)
        if run.run_of(job).calls > before:
            acting.append(call)
    assert acting == list(range(2 * order, 6 * order))
    run.end(job)


def test_a_job_inside_a_job_has_its_own_say(unet, turns):
    off, outer, inner = output(unet), Job(SETTINGS), Job()
    turns.before_call(params(outer))
    on = output(unet)
    turns.before_call(params(inner))
    assert torch.equal(output(unet), off)
    turns.before_call(params(outer, 1))
    assert torch.equal(output(unet), on)
    other = Job(SETTINGS.replace(b1=1.1))
    turns.before_call(params(other))
    assert hooks_on(unet) == 7
    run.end(other)
    turns.before_call(params(outer, 2))
    assert torch.equal(output(unet), on)
    run.end(outer)


def test_a_job_that_died_takes_its_hooks_along(unet, turns):
    off = output(unet)
    job = Job(SETTINGS)
    turns.before_call(params(job))
    assert hooks_on(unet) == 7
    del job
    gc.collect()
    assert hooks_on(unet) == 0
    assert torch.equal(output(unet), off)


def test_a_job_that_died_but_is_still_held_gives_way_to_the_next(unet, turns):
    off, dead = output(unet), Job(SETTINGS)
    turns.before_call(params(dead))
    turns.before_call(params(Job()))
    assert torch.equal(output(unet), off)


def test_unloading_the_extension_takes_the_hooks_off(unet, turns):
    job = Job(SETTINGS)
    turns.before_call(params(job))
    turns.close()
    assert hooks_on(unet) == 0


def test_it_follows_the_refiner_and_counts_both():
    unets = [build("SDXL"), build("SDXL refiner")]
    turns, job = run.Turns(lambda: unets[0]), Job(SETTINGS)
    turns.before_call(params(job))
    output(unets[0])
    on_first = run.run_of(job).calls
    unets.reverse()
    turns.before_call(params(job, 1))
    assert [hooks_on(unet) for unet in unets] == [10, 0]
    output(unets[0])
    assert run.run_of(job).calls == on_first + 10
    run.end(job)
    assert [hooks_on(unet) for unet in unets] == [0, 0]


@pytest.mark.parametrize(
    ("passes", "first", "hires"), [("both", True, True), ("first", True, False), ("hires", False, True)]
)
def test_passes(unet, turns, passes, first, hires):
    job = Job(SETTINGS.replace(passes=passes))
    for job.is_hr_pass, acts in ((False, first), (True, hires), (False, first)):
        turns.before_call(params(job))
        assert (hooks_on(unet) > 0) == acts
    run.end(job)


def test_an_unsupported_model_is_told_and_left_alone():
    turns, job = run.Turns(lambda: torch.nn.Linear(1, 1)), Job(SETTINGS)
    turns.before_call(params(job))
    assert "Linear" in run.run_of(job).obstacle
    assert run.run_of(job).calls == 0


def test_a_failing_call_leaves_no_stale_strength(unet):
    def loaded():
        if broken:
            raise RuntimeError("no UNet")
        return unet

    broken, turns, job = False, run.Turns(loaded), Job(SETTINGS)
    turns.before_call(params(job))
    broken = True
    with pytest.raises(RuntimeError):
        turns.before_call(params(job, 1))
    assert hooks_on(unet) == 0


def test_a_copied_job_shares_freeu_until_it_is_processed_itself(unet, turns):
    """The host copies a job for each cell of a plot, before it is processed."""
    job = Job(SETTINGS)
    cell = copy.copy(job)
    run.end(cell)
    assert run.run_of(cell) is None
    turns.before_call(params(job))
    assert hooks_on(unet) == 7
    run.end(job)


def test_a_unet_that_runs_no_hooks_is_told_from_a_job_that_never_acts(turns):
    """Such as one that was compiled before: FreeU is asked to act, and edits nothing, also after its end."""
    late, now = Job(Settings(start=0.5)), Job(SETTINGS)
    turns.before_call(params(late))
    turns.before_call(params(now))
    told = [run.run_of(job) for job in (late, now)]
    assert [(job.asked, job.calls) for job in told] == [(False, 0), (True, 0)]
    turns.close()
    assert [(job.asked, job.calls) for job in told] == [(False, 0), (True, 0)]
