"""FreeU for one job: on the loaded UNet, at the current step, and without hooks left afterwards."""

import copy
import gc
from types import SimpleNamespace

import pytest
import torch
import torch._dynamo

from freeu import Settings, attach
from freeu.arguments import ExtraOutputs, Request
from freeu.webui.job import HookManager, close_job, job_of, open_job
from tests.support.unets import SHAPES, build, hooks_on, inputs, shared

SETTINGS = Settings(b1=1.4, s1=0.5)


class Processing:
    """The part of the host's `p` that a Job reads."""

    def __init__(self, settings=None, hires=False):
        self.is_hr_pass = hires
        if settings:
            open_job(self, Request(settings, ExtraOutputs()))


def params(p, step=0, steps=10, order=1):
    denoiser = SimpleNamespace(p=p, sampler=None, step=step, steps=steps, total_steps=order * steps)
    return SimpleNamespace(denoiser=denoiser, sampling_step=0)


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
def manager(unet):
    manager = HookManager(lambda: unet)
    yield manager
    manager.close()


def test_a_job_edits_as_attach_does(unet, manager):
    with attach(unet, SETTINGS) as session:
        session.at(0, 10)
        expected = output(unet)
    p = Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    assert torch.equal(output(unet), expected)
    assert job_of(p).calls == len(SHAPES["SDXL"].channels[1]) + len(SHAPES["SDXL"].channels[2])
    close_job(p)


@pytest.mark.parametrize(("order", "calls"), [(1, 12), (2, 25)])
def test_both_calls_of_a_second_order_step_have_the_same_strength(unet, manager, order, calls):
    """Heun makes two calls per step; adaptive samplers continue after the last step."""
    p = Processing(Settings(start=0.2, stop=0.6))
    active = []
    for call in range(calls):
        before = job_of(p).calls
        manager.on_cfg_denoiser(params(p, call, order=order))
        output(unet)
        if job_of(p).calls > before:
            active.append(call)
    assert active == list(range(2 * order, 6 * order))
    close_job(p)


def test_a_nested_job_has_its_own_settings(unet, manager):
    off, outer, inner = output(unet), Processing(SETTINGS), Processing()
    manager.on_cfg_denoiser(params(outer))
    on = output(unet)
    manager.on_cfg_denoiser(params(inner))
    assert torch.equal(output(unet), off)
    manager.on_cfg_denoiser(params(outer, 1))
    assert torch.equal(output(unet), on)
    other = Processing(SETTINGS.replace(b1=1.1))
    manager.on_cfg_denoiser(params(other))
    assert hooks_on(unet) == 7
    close_job(other)
    manager.on_cfg_denoiser(params(outer, 2))
    assert torch.equal(output(unet), on)
    close_job(outer)


def test_the_hooks_of_a_failed_job_go_with_its_p(unet, manager):
    off = output(unet)
    p = Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    assert hooks_on(unet) == 7
    del p
    gc.collect()
    assert hooks_on(unet) == 0
    assert torch.equal(output(unet), off)


def test_the_next_job_removes_the_hooks_of_a_failed_job_that_is_still_referenced(unet, manager):
    off, failed = output(unet), Processing(SETTINGS)
    manager.on_cfg_denoiser(params(failed))
    manager.on_cfg_denoiser(params(Processing()))
    assert torch.equal(output(unet), off)


def test_unloading_the_extension_removes_the_hooks(unet, manager):
    p = Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    manager.close()
    assert hooks_on(unet) == 0


def test_hooks_move_to_the_refiner_and_calls_on_both_models_are_counted():
    unets = [build("SDXL"), build("SDXL refiner")]
    manager, p = HookManager(lambda: unets[0]), Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    output(unets[0])
    on_first = job_of(p).calls
    unets.reverse()
    manager.on_cfg_denoiser(params(p, 1))
    assert [hooks_on(unet) for unet in unets] == [10, 0]
    output(unets[0])
    assert job_of(p).calls == on_first + 10
    close_job(p)
    assert [hooks_on(unet) for unet in unets] == [0, 0]


@pytest.mark.parametrize(
    ("passes", "first", "hires"), [("both", True, True), ("first", True, False), ("hires", False, True)]
)
def test_passes(unet, manager, passes, first, hires):
    p = Processing(SETTINGS.replace(passes=passes))
    for p.is_hr_pass, is_active in ((False, first), (True, hires), (False, first)):
        manager.on_cfg_denoiser(params(p))
        assert (hooks_on(unet) > 0) == is_active
    close_job(p)


def test_an_unsupported_model_is_reported_and_unchanged():
    manager, p = HookManager(lambda: torch.nn.Linear(1, 1)), Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    assert "Linear" in job_of(p).problem
    assert job_of(p).calls == 0


def test_an_error_removes_the_hooks_so_that_no_old_strength_stays(unet):
    def loaded_unet():
        if fails:
            raise RuntimeError("no UNet")
        return unet

    fails, manager, p = False, HookManager(loaded_unet), Processing(SETTINGS)
    manager.on_cfg_denoiser(params(p))
    fails = True
    with pytest.raises(RuntimeError):
        manager.on_cfg_denoiser(params(p, 1))
    assert hooks_on(unet) == 0
    assert job_of(p).problem == "RuntimeError: no UNet"


def test_closing_the_job_of_a_copied_p_does_not_change_the_original(unet, manager):
    """The host copies `p` for each cell of a plot, before the cell is processed."""
    p = Processing(SETTINGS)
    cell = copy.copy(p)
    close_job(cell)
    assert job_of(cell) is None
    manager.on_cfg_denoiser(params(p))
    assert hooks_on(unet) == 7
    close_job(p)


def test_a_job_without_freeu_prepares_a_model_that_is_compiled_for_hooks(manager):
    with torch._dynamo.config.patch(skip_nnmodule_hook_guards=True):
        manager.on_cfg_denoiser(params(Processing()))
        assert not torch._dynamo.config.skip_nnmodule_hook_guards


def test_was_active_tells_a_unet_that_runs_no_hooks_from_a_job_without_an_active_step(manager):
    """A UNet that was compiled before runs no hooks: FreeU is active and edits nothing."""
    late, now = Processing(Settings(start=0.5)), Processing(SETTINGS)
    manager.on_cfg_denoiser(params(late))
    manager.on_cfg_denoiser(params(now))
    jobs = [job_of(p) for p in (late, now)]
    assert [(job.was_active, job.calls) for job in jobs] == [(False, 0), (True, 0)]
    manager.close()
    assert [(job.was_active, job.calls) for job in jobs] == [(False, 0), (True, 0)]
