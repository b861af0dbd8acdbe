"""attach() on real ldm UNets, compared with the authors' algorithm."""

import copy
import gc
import io
import threading
import types
from contextlib import ExitStack

import pytest
import torch

from freeu import Settings, attach, strength
from tests.support.reference import forward, freeu_edit
from tests.support.torch_versions import AUTOCAST_TYPES, TORCH_2_1
from tests.support.unets import (
    ALL_STAGES,
    KEPT,
    NAMES,
    RICH,
    SHAPES,
    STRONG,
    build,
    call,
    hooks_on,
    inputs,
    off_and_on,
    shared,
)
from tests.support.waiting import SECONDS


@pytest.mark.parametrize(
    "others", [{}, KEPT, RICH, {**RICH, **KEPT, "mask": "disc"}], ids=["plain", "kept", "rich", "disc, kept"]
)
@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_official_algorithm(name, version, stage_map, others):
    unet = shared(name)
    settings = Settings(**ALL_STAGES, **others, version=version, stage_map=stage_map)
    args = inputs(height=16, width=24)
    stages = SHAPES[name].stages(stage_map)
    with torch.inference_mode():
        expected = forward(unet, *args, freeu_edit(settings, stages))
        plain = forward(unet, *args, lambda block, backbone, skip: (backbone, skip))
    with attach(unet, settings) as session:
        out = call(unet, *args)
    assert session.calls == len(stages)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    assert (out - plain).abs().max() > 1e-2, "FreeU must have an effect in this test"


@pytest.mark.parametrize(
    "settings",
    [
        Settings(enabled=False),
        Settings(b1=1, b2=1, s1=1, s2=1),
        Settings(b1=1, b2=1, s1=1, s2=1, keep_contrast=1),
        Settings(width1=0, width2=0, s1=1, s2=1),
        Settings(start=0, stop=0),
        Settings(curve="0:0"),
        Settings(**ALL_STAGES, curve="0.5:0, 1:1"),
    ],
    ids=[
        "off",
        "factors of 1",
        "factors of 1, kept",
        "no channels",
        "no steps",
        "curve of 0",
        "before the curve rises",
    ],
)
def test_neutral_settings_are_bit_identical_to_no_freeu(unet, settings):
    off = call(unet, *inputs())
    with attach(unet, settings) as session:
        session.at(0, 20)
        assert call(unet, *inputs()).equal(off)
    assert session.calls == 0


def test_close_restores_the_unet_and_may_be_called_twice(unet):
    off, on = off_and_on(unet)
    assert not on.equal(off)
    session = attach(unet, STRONG)
    session.close()
    session.close()
    assert call(unet, *inputs()).equal(off)


def test_layers_may_be_called_without_their_block(unet, monkeypatch):
    """reForge and ComfyUI call the layers themselves."""
    off, on = off_and_on(unet)
    layers = [list(block) for block in unet.output_blocks]

    def walk(self, x, emb, context=None):
        for layer in layers[[*unet.output_blocks].index(self)]:
            kind = type(layer).__name__
            x = layer(x, emb) if kind == "ResBlock" else layer(x, context) if "Transformer" in kind else layer(x)
        return x

    for block in unet.output_blocks:
        monkeypatch.setattr(block, "forward", types.MethodType(walk, block))
    with attach(unet, STRONG):
        assert call(unet, *inputs()).equal(on)
    assert not on.equal(off)


def test_forward_may_be_replaced(unet, monkeypatch):
    """ControlNet replaces the UNet's forward with one that joins backbone and skip features itself."""
    _, on = off_and_on(unet)

    def replaced(self, x, timesteps=None, context=None, **kwargs):
        return forward(self, x, timesteps, context, lambda block, backbone, skip: (backbone, skip))

    monkeypatch.setattr(unet, "forward", types.MethodType(replaced, unet))
    with attach(unet, STRONG):
        torch.testing.assert_close(call(unet, *inputs()), on, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_layers_may_be_called_with_keyword_arguments(unet):
    layer = unet.output_blocks[0][0]
    joined, emb = torch.randn(1, layer.channels, 4, 4), torch.randn(1, 128)
    with attach(unet, STRONG) as session:
        positional, keyword, mixed = (
            layer(joined.clone(), emb),
            layer(x=joined.clone(), emb=emb),
            layer(joined.clone(), emb=emb),
        )
        assert session.calls == 3
    assert positional.equal(keyword)
    assert positional.equal(mixed)
    assert not positional.equal(layer(joined, emb))


def test_unet_may_be_called_with_positional_arguments(unet):
    _, on = off_and_on(unet)
    with attach(unet, STRONG), torch.inference_mode():
        assert unet(*inputs()).equal(on)


@pytest.mark.parametrize("height", [40, 56])
def test_sizes_that_are_not_powers_of_two(height):
    unet, args = shared("SD 1.5"), inputs(height=height, width=24)
    with torch.inference_mode():
        expected = forward(unet, *args, freeu_edit(STRONG, SHAPES["SD 1.5"].stages("channels")))
    with attach(unet, STRONG):
        torch.testing.assert_close(call(unet, *args), expected, rtol=0, atol=1e-5)


def test_sessions_on_two_unets_are_independent(unet):
    other = build("SD 1.5", seed=7)
    weak = Settings(b1=1.05)
    _, on = off_and_on(unet)
    _, other_on = off_and_on(other, weak)
    with attach(unet, STRONG) as one, attach(other, weak) as two:
        assert call(unet, *inputs()).equal(on)
        assert call(other, *inputs()).equal(other_on)
    assert (one.calls, two.calls) == (9, 10)


def test_session_can_move_to_the_refiner_during_a_run(unet):
    """The first UNet is as before from then on, and the second one is edited."""
    refiner = build("SDXL refiner")
    off, on = off_and_on(unet)
    _, refiner_on = off_and_on(refiner)
    session = attach(unet, STRONG)
    assert call(unet, *inputs()).equal(on)
    session.close()
    with attach(refiner, STRONG):
        assert call(refiner, *inputs()).equal(refiner_on)
        assert call(unet, *inputs()).equal(off)


def test_exception_in_the_unet_removes_the_hooks(unet, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(unet.output_blocks[4], "forward", fail)
        with pytest.raises(RuntimeError, match="out of memory"), attach(unet, STRONG):
            call(unet, *inputs())


def test_exception_while_hooks_are_added_removes_them(unet, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("no hooks allowed")

    monkeypatch.setattr(unet.output_blocks[3][0], "register_forward_pre_hook", fail)
    with pytest.raises(RuntimeError, match="no hooks allowed"):
        attach(unet, STRONG)


def test_garbage_collection_of_a_session_removes_its_hooks(unet):
    session = attach(unet, STRONG)
    assert hooks_on(unet) == 9
    del session
    gc.collect()
    assert hooks_on(unet) == 0


def test_close_also_ends_freeu_on_a_copy_of_the_unet(unet):
    off, on = off_and_on(unet)
    session = attach(unet, STRONG)
    copied = copy.deepcopy(unet)
    assert call(copied, *inputs()).equal(on)
    session.close()
    assert call(copied, *inputs()).equal(off)


@pytest.mark.skipif(TORCH_2_1, reason="once dynamo is imported, hooks are wrapped for it, which cannot be pickled")
@pytest.mark.parametrize("clock", ["step", "noise"])
def test_a_unet_that_is_pickled_during_a_session_has_no_freeu_in_it(unet, clock):
    off, on = off_and_on(unet)
    with attach(unet, STRONG.replace(clock=clock)):
        file = io.BytesIO()
        torch.save(unet, file)
        assert call(unet, *inputs()).equal(on)
    assert b"freeu" not in file.getvalue()
    file.seek(0)
    assert call(torch.load(file, weights_only=False), *inputs()).equal(off)


def test_channels_last(unet):
    _, on = off_and_on(unet)
    x, timesteps, context = inputs()
    other = build("SDXL").to(memory_format=torch.channels_last)
    with attach(other, STRONG):
        out = call(other, x.contiguous(memory_format=torch.channels_last), timesteps, context)
    torch.testing.assert_close(out, on, rtol=0, atol=2e-5)


@torch.inference_mode()
@pytest.mark.parametrize("is_first", [True, False], ids=["earlier", "later"])
def test_freeu_acts_before_the_hooks_of_other_extensions(unet, is_first):
    """LLuL's hook joins another version of the features to the batch, which the factors of version 2 depend on."""
    layer = unet.output_blocks[0][0]
    joined, emb = torch.randn(1, layer.channels, 4, 4), torch.randn(1, 128)

    def double(layer, args):
        x, emb = args
        return torch.cat([x, x.flip(2) * 3]), emb.repeat(2, 1)

    with attach(unet, STRONG):
        edited = []
        layer.register_forward_pre_hook(lambda layer, args: edited.append(args[0].clone()))
        layer(joined.clone(), emb)
    layer._forward_pre_hooks.clear()
    expected = layer(*double(layer, (edited[0], emb)))
    with ExitStack() as hooks:
        if is_first:
            hooks.callback(layer.register_forward_pre_hook(double).remove)
        hooks.enter_context(attach(unet, STRONG))
        if not is_first:
            hooks.callback(layer.register_forward_pre_hook(double).remove)
        assert layer(joined.clone(), emb).equal(expected)


def test_only_blocks_that_the_settings_change_get_hooks(unet):
    with attach(unet, Settings(b1=1, s1=1, b2=1.4, s2=1)):
        assert hooks_on(unet) == 3


def test_sessions_in_threads_are_independent():
    """Each thread has its own UNet, settings and step."""
    jobs = [(build("SDXL", seed=n), Settings(**ALL_STAGES, curve="0:0, 1:1"), n) for n in range(4)]

    def run(job, results):
        unet, settings, step = job
        with attach(unet, settings) as session:
            for _ in range(3):
                session.at(step, 4)
                results[step] = call(unet, *inputs(seed=step))

    alone, together = {}, {}
    for job in jobs:
        run(job, alone)
    threads = [threading.Thread(target=run, args=(job, together)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert all(together[step].equal(alone[step]) for step in alone)


@pytest.mark.parametrize("others", [{}, KEPT, {"keep_contrast": 1.0, "version": "1"}], ids=str)
def test_schedule_scales_the_factors(unet, others):
    """But not `keep_contrast`: a smaller b adds less contrast that it could take back."""
    settings = Settings(**ALL_STAGES, **others, start=0.3, stop=0.9, smoothness=0.5)
    steps = 7
    with attach(unet, settings) as session:
        outs = []
        for step in range(steps):
            session.at(step, steps)
            outs.append(call(unet, *inputs()))
    for step, out in enumerate(outs):
        w = strength(settings, step, steps)
        scaled = Settings(**others, **{name: 1 + w * (factor - 1) for name, factor in ALL_STAGES.items()})
        with torch.inference_mode():
            expected = forward(unet, *inputs(), freeu_edit(scaled, SHAPES["SDXL"].stages("channels")))
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)


def test_was_active_stays_true_after_the_last_active_step(unet):
    was_active = []
    with attach(unet, STRONG.replace(start=0.25, stop=0.5)) as session:
        for step in range(4):
            session.at(step, 4)
            was_active.append(session.was_active)
    assert was_active == [False, True, True, True]


@pytest.mark.parametrize(("timestep", "keyword"), [(0, True), (250, False), (999, True), (501.4, False)])
def test_noise_clock_reads_the_timestep_of_each_call(unet, timestep, keyword):
    curve = "0:0, 0.7:1, 1:0.2"
    x, _, context = inputs()
    timesteps = torch.full((2,), timestep)
    by_step = attach(unet, Settings(**ALL_STAGES, curve=curve))
    by_step.at(999 - round(timestep), 1000)
    expected = call(unet, x, timesteps, context)
    by_step.close()
    with attach(unet, Settings(**ALL_STAGES, curve=curve, clock="noise")) as session, torch.inference_mode():
        session.at(0, 1)
        out = unet(x, timesteps=timesteps, context=context) if keyword else unet(x, timesteps, context)
    assert out.equal(expected)


def test_noise_clock_rejects_different_timesteps_in_a_batch(unet):
    x, _, context = inputs()
    message = r'clock "noise" needs one timestep per batch, got 10\.0 to 900\.0'
    with attach(unet, Settings(clock="noise")), pytest.raises(ValueError, match=message):
        call(unet, x, torch.tensor([10, 900]), context)


@pytest.mark.parametrize("settings", [STRONG, STRONG.replace(**KEPT)], ids=["plain", "kept"])
def test_gradients_flow_and_the_result_is_the_same(unet, settings):
    x, timesteps, context = inputs()
    with attach(unet, settings):
        without = call(unet, x, timesteps, context)
        x.requires_grad_()
        out = unet(x, timesteps=timesteps, context=context)
        out.sum().backward()
    torch.testing.assert_close(out.detach(), without, rtol=0, atol=1e-6)
    assert x.grad.isfinite().all()
    assert x.grad.any()


def test_nothing_is_edited_in_place_when_gradients_are_on(unet):
    layer = unet.output_blocks[0][0]
    joined = torch.randn(1, layer.channels, 4, 4)
    before = joined.clone()
    with attach(unet, STRONG):
        layer(joined, torch.randn(1, 128))
    assert joined.equal(before)


def test_batch_items_are_independent(unet):
    x, timesteps, context = inputs(3)
    with attach(unet, STRONG):
        together = call(unet, x, timesteps, context)
        alone = torch.cat([call(unet, x[i : i + 1], timesteps[:1], context[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", AUTOCAST_TYPES)
def test_effect_is_the_same_under_autocast(unet, dtype):
    """Compares the change by FreeU, since autocast itself changes the output too."""
    with torch.autocast("cpu", dtype):
        off, on = off_and_on(unet)
    exact_off, exact_on = off_and_on(unet)
    effect, exact = (on - off).float(), exact_on - exact_off
    assert (effect - exact).norm() < 0.2 * exact.norm()


def test_repr_shows_the_state(unet):
    session = attach(unet, STRONG)
    assert "open, 0 blocks edited" in repr(session)
    session.close()
    assert "closed" in repr(session)
