"""Recorder, on real ldm UNets."""

import gc
import weakref

import pytest
import torch

from freeu import Recorder, Settings, attach
from freeu.diagnostics.recorder import PARTS
from freeu.diagnostics.spectrum import energy, relative_log_amplitude
from tests.support.unets import STRONG, call, hooks_on, inputs, off_and_on, shared

close = torch.testing.assert_close


def record(unet, settings, steps=3):
    recorder = Recorder()
    with attach(unet, settings, recorder) as session:
        outs = []
        for step in range(steps):
            session.at(step, steps)
            outs.append(call(unet, *inputs(seed=step)))
    return recorder, outs


@pytest.mark.parametrize("settings", [Settings(enabled=False), Settings(b1=1, b2=1, s1=1, s2=1), Settings(start=1)])
def test_run_without_freeu_is_recorded_and_not_changed(unet, settings):
    off = [call(unet, *inputs(seed=step)) for step in range(3)]
    recorder, outs = record(unet, settings)
    assert all(a.equal(b) for a, b in zip(off, outs, strict=True))
    assert recorder.steps == [0, 1, 2]
    assert set(recorder.strengths.values()) <= ({1.0} if settings.enabled and settings.start < 1 else {0.0})
    for part in PARTS:
        profile = recorder.profile(part, stage=1)
        assert profile.before.equal(profile.after)
        assert recorder.changed(part) == 0


def test_disabled_settings_with_the_noise_clock_edit_nothing(unet):
    off = call(unet, *inputs())
    x, _, context = inputs()
    with attach(unet, Settings(enabled=False, clock="noise"), Recorder()) as session, torch.inference_mode():
        assert call(unet, *inputs()).equal(off)
        unet(x, timesteps=torch.tensor([10, 900]), context=context)
    assert (session.calls, session.was_active) == (0, False)


@pytest.mark.parametrize("settings", [STRONG, Settings(version="1"), Settings(clock="noise")])
def test_recorder_does_not_change_the_output(unet, settings):
    _, on = off_and_on(unet, settings)
    with attach(unet, settings, Recorder()) as session:
        assert call(unet, *inputs()).equal(on)
    assert session.calls == (9 if settings is STRONG else 7)


def test_recorded_values_are_those_of_the_features(unet):
    """Compares with values computed from copies of the features."""
    observations = []

    def keep(observation):
        observations.append(observation._replace(before=observation.before.clone(), after=observation.after.clone()))

    with attach(unet, STRONG, keep):
        call(unet, *inputs(seed=0))
    recorder, _ = record(unet, STRONG, steps=1)
    assert recorder.stages == {o.block.stage for o in observations} == {1, 2, 3}
    for stage in recorder.stages:
        observed = [o for o in observations if o.block.stage == stage]
        largest = max(o.before.shape[2] for o in observed)
        skips = [(o.before[:, o.block.backbone :], o.after[:, o.block.backbone :]) for o in observed]
        large = [skip for skip in skips if skip[0].shape[2] == largest]
        profile = recorder.profile("skip", stage=stage)
        for found, amplitudes in zip((profile.before, profile.after), zip(*large, strict=True), strict=True):
            close(found.float(), torch.stack([relative_log_amplitude(x) for x in amplitudes]).mean(0))
        changed, whole = sum(energy(new - old) for old, new in skips), sum(energy(old) for old, _ in skips)
        assert recorder.changed("skip", stage=stage) == pytest.approx(float(changed / whole), rel=1e-4)


def test_profiles_are_means_over_steps_and_calls(unet):
    recorder, _ = record(unet, Settings(), steps=3)
    profiles = [recorder.profile("joined", stage=1, step=step).after for step in range(3)]
    close(recorder.profile("joined", stage=1).after, torch.stack(profiles).mean(0))
    twice = Recorder()
    with attach(unet, Settings(), twice) as session:
        for seed in (0, 1):
            session.at(5, 20)
            call(unet, *inputs(seed=seed))
    close(twice.profile("joined", stage=1, step=5).after, torch.stack(profiles[:2]).mean(0))


def test_changes_are_recorded_at_their_step(unet):
    recorder, _ = record(unet, Settings(start=0.5), steps=4)
    assert [recorder.changed(step=step) > 0 for step in range(4)] == [False, False, True, True]
    assert recorder.strengths == {0: 0, 1: 0, 2: 1, 3: 1}
    assert recorder.changed("backbone", stage=3) == 0


def test_weaker_low_frequencies_raise_the_relative_profile_of_the_skip(unet):
    recorder, _ = record(unet, Settings(b1=1, b2=1, s1=0.1, s2=1), steps=1)
    profile = recorder.profile("skip", stage=1)
    close(profile.after[2:] - profile.before[2:], torch.full((2,), 2.3026).double(), rtol=0, atol=0.05)
    assert recorder.changed("backbone") == 0


def test_reading_what_was_not_recorded_is_an_error(unet):
    recorder, _ = record(unet, STRONG, steps=3)
    with pytest.raises(ValueError, match="nothing was recorded for stage 1 and step 7"):
        recorder.profile("joined", stage=1, step=7)
    with pytest.raises(ValueError, match="nothing was recorded"):
        Recorder().changed()


def test_profile_is_of_the_largest_planes(unet):
    """Sizes change within a run that has tiles."""
    recorder = Recorder()
    with attach(unet, STRONG, recorder):
        call(unet, *inputs(height=16, width=24))
        call(unet, *inputs(height=24, width=24))
    assert recorder.profile("joined", stage=3).frequencies.shape == (12,)


def test_features_are_not_kept(unet):
    features = []
    recorder = Recorder()

    def observe(observation):
        recorder(observation)
        features.extend(weakref.ref(x) for x in (observation.before, observation.after))

    with attach(unet, STRONG, observe):
        call(unet, *inputs())
        assert hooks_on(unet) == 9
    gc.collect()
    assert len(features) == 18
    assert not [ref for ref in features if ref() is not None]


def test_exception_of_an_observer_ends_the_call_and_removes_the_hooks(unet):
    def fail(observation):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"), attach(unet, STRONG, fail):
        call(unet, *inputs())


def test_recorder_works_with_gradients_and_half_types(unet):
    recorder = Recorder()
    x, timesteps, context = inputs()
    with attach(unet, STRONG, recorder), torch.autocast("cpu", torch.bfloat16):
        unet(x.requires_grad_(), timesteps=timesteps, context=context)
    exact, _ = record(shared("SDXL"), STRONG, steps=1)
    assert not recorder.profile("joined", stage=3).after.requires_grad
    assert recorder.changed() == pytest.approx(exact.changed(), rel=0.5)
