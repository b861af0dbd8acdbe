"""attach() on real ldm UNets, held against the official algorithm."""

import copy
import gc
import threading
import types

import pytest
import torch

from freeu import Settings, attach, strength
from tests.reference import forward, freeu_edit
from tests.unets import SHAPES, build, hooks_on, inputs, shared

ALL_STAGES = {"b1": 1.3, "s1": 0.7, "b2": 1.4, "s2": 0.2, "b3": 1.2, "s3": 0.5}
RICH = {"high1": 1.1, "offset1": 0.75, "width2": 0.3, "cutoff2": 0.6, "cutoff3": 1.0}
STRONG = Settings(**ALL_STAGES)


@torch.inference_mode()
def call(unet, *args):
    return unet(*args[:1], timesteps=args[1], context=args[2])


@pytest.fixture
def unet():
    """A UNet that the test must leave without hooks and computing what it did."""
    unet = shared("SDXL")
    before = call(unet, *inputs())
    yield unet
    gc.collect()
    assert hooks_on(unet) == 0
    assert call(unet, *inputs()).equal(before)


def off_and_on(unet, settings=STRONG):
    """Without FreeU and with it."""
    off = call(unet, *inputs())
    with attach(unet, settings):
        return off, call(unet, *inputs())


@pytest.mark.parametrize("more", [{}, RICH, {**RICH, "mask": "disc"}], ids=["plain", "rich", "disc"])
@pytest.mark.parametrize("stage_map", ["channels", "levels"])
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", SHAPES)
def test_equals_the_official_algorithm(name, version, stage_map, more):
    unet = shared(name)
    settings = Settings(**ALL_STAGES, **more, version=version, stage_map=stage_map)
    args = inputs(height=16, width=24)
    stages = SHAPES[name].stages(stage_map)
    with torch.inference_mode():
        expected = forward(unet, *args, freeu_edit(settings, stages))
        plain = forward(unet, *args, lambda block, backbone, skip: (backbone, skip))
    with attach(unet, settings) as session:
        out = call(unet, *args)
    assert session.calls == len(stages)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    assert (out - plain).abs().max() > 1e-2, "FreeU must matter for this test to mean anything"


@pytest.mark.parametrize(
    "settings",
    [
        Settings(enabled=False),
        Settings(b1=1, b2=1, s1=1, s2=1),
        Settings(width1=0, width2=0, s1=1, s2=1),
        Settings(start=0, stop=0),
        Settings(curve="0:0"),
        Settings(**ALL_STAGES, curve="0.5:0, 1:1"),
    ],
    ids=["off", "factors of one", "no channels", "never", "curve at zero", "curve not begun"],
)
def test_neutral_is_bit_identical(unet, settings):
    off = call(unet, *inputs())
    with attach(unet, settings) as session:
        session.at(0, 20)
        assert call(unet, *inputs()).equal(off)
    assert session.calls == 0


def test_off_and_on_differ_and_closing_restores(unet):
    off, on = off_and_on(unet)
    assert not on.equal(off)
    session = attach(unet, STRONG)
    session.close()
    session.close()
    assert call(unet, *inputs()).equal(off)


def test_layers_called_without_their_block(unet, monkeypatch):
    """reForge and ComfyUI walk the layers themselves."""
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


def test_a_replaced_forward(unet, monkeypatch):
    """ControlNet puts a forward of its own on the UNet, which joins backbone and skip itself."""
    _, on = off_and_on(unet)

    def replaced(self, x, timesteps=None, context=None, **kwargs):
        return forward(self, x, timesteps, context, lambda block, backbone, skip: (backbone, skip))

    monkeypatch.setattr(unet, "forward", types.MethodType(replaced, unet))
    with attach(unet, STRONG):
        torch.testing.assert_close(call(unet, *inputs()), on, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_keyword_and_positional_calls_of_a_layer(unet):
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


def test_positional_call_of_the_unet(unet):
    _, on = off_and_on(unet)
    with attach(unet, STRONG), torch.inference_mode():
        assert unet(*inputs()).equal(on)


@pytest.mark.parametrize("height", [40, 56])
def test_sizes_that_are_no_powers_of_two(height):
    unet, args = shared("SD 1.5"), inputs(height=height, width=24)
    with torch.inference_mode():
        expected = forward(unet, *args, freeu_edit(STRONG, SHAPES["SD 1.5"].stages("channels")))
    with attach(unet, STRONG):
        torch.testing.assert_close(call(unet, *args), expected, rtol=0, atol=1e-5)


def test_several_unets_at_once(unet):
    other = build("SD 1.5", seed=7)
    weak = Settings(b1=1.05)
    _, on = off_and_on(unet)
    _, other_on = off_and_on(other, weak)
    with attach(unet, STRONG) as one, attach(other, weak) as two:
        assert call(unet, *inputs()).equal(on)
        assert call(other, *inputs()).equal(other_on)
    assert (one.calls, two.calls) == (9, 10)


def test_a_unet_swapped_in_mid_run(unet):
    """The refiner: the first UNet is left alone from there on, the second one edited."""
    refiner = build("SDXL refiner")
    off, on = off_and_on(unet)
    _, refiner_on = off_and_on(refiner)
    session = attach(unet, STRONG)
    assert call(unet, *inputs()).equal(on)
    session.close()
    with attach(refiner, STRONG):
        assert call(refiner, *inputs()).equal(refiner_on)
        assert call(unet, *inputs()).equal(off)


def test_an_exception_in_the_unet(unet, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(unet.output_blocks[4], "forward", broken)
        with pytest.raises(RuntimeError, match="out of memory"), attach(unet, STRONG):
            call(unet, *inputs())


def test_an_exception_while_hooks_are_put_on(unet, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no hooks here")

    monkeypatch.setattr(unet.output_blocks[3][0], "register_forward_pre_hook", refuse)
    with pytest.raises(RuntimeError, match="no hooks here"):
        attach(unet, STRONG)


def test_a_lost_session_takes_its_hooks_along(unet):
    session = attach(unet, STRONG)
    assert hooks_on(unet) == 9
    del session
    gc.collect()
    assert hooks_on(unet) == 0


def test_a_copy_of_the_unet_is_edited_no_longer_than_the_unet(unet):
    off, on = off_and_on(unet)
    session = attach(unet, STRONG)
    copied = copy.deepcopy(unet)
    assert call(copied, *inputs()).equal(on)
    session.close()
    assert call(copied, *inputs()).equal(off)


def test_channels_last(unet):
    _, on = off_and_on(unet)
    x, timesteps, context = inputs()
    other = build("SDXL").to(memory_format=torch.channels_last)
    with attach(other, STRONG):
        out = call(other, x.contiguous(memory_format=torch.channels_last), timesteps, context)
    torch.testing.assert_close(out, on, rtol=0, atol=2e-5)


def test_hooks_go_only_where_settings_change_something(unet):
    with attach(unet, Settings(b1=1, s1=1, b2=1.4, s2=1)):
        assert hooks_on(unet) == 3


def test_threads():
    """Each thread has a UNet and settings of its own, at a step of its own."""
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
        thread.join()
    assert all(together[step].equal(alone[step]) for step in alone)


def test_the_schedule_scales_the_factors(unet):
    settings = Settings(**ALL_STAGES, start=0.3, stop=0.9, smoothness=0.5)
    steps = 7
    with attach(unet, settings) as session:
        outs = []
        for step in range(steps):
            session.at(step, steps)
            outs.append(call(unet, *inputs()))
    for step, out in enumerate(outs):
        w = strength(settings, step, steps)
        scaled = Settings(**{name: 1 + w * (factor - 1) for name, factor in ALL_STAGES.items()})
        with torch.inference_mode():
            expected = forward(unet, *inputs(), freeu_edit(scaled, SHAPES["SDXL"].stages("channels")))
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("timestep", [0, 250, 999, 501.4])
@pytest.mark.parametrize("keyword", [True, False])
def test_the_noise_clock_reads_the_timestep_of_the_call(unet, timestep, keyword):
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


def test_the_noise_clock_refuses_several_timesteps_in_a_call(unet):
    x, _, context = inputs()
    with attach(unet, Settings(clock="noise")), pytest.raises(ValueError, match="one timestep a call"):
        call(unet, x, torch.tensor([10, 900]), context)


def test_gradients(unet):
    """With gradients on nothing is edited in place, and the result is the same."""
    x, timesteps, context = inputs()
    with attach(unet, STRONG):
        without = call(unet, x, timesteps, context)
        x.requires_grad_()
        out = unet(x, timesteps=timesteps, context=context)
        out.sum().backward()
    torch.testing.assert_close(out.detach(), without, rtol=0, atol=1e-6)
    assert x.grad.isfinite().all()
    assert x.grad.any()


def test_a_layer_input_is_not_edited_when_gradients_are_on(unet):
    layer = unet.output_blocks[0][0]
    joined = torch.randn(1, layer.channels, 4, 4)
    before = joined.clone()
    with attach(unet, STRONG):
        layer(joined, torch.randn(1, 128))
    assert joined.equal(before)


def test_each_picture_of_a_batch_is_as_it_would_be_alone(unet):
    x, timesteps, context = inputs(3)
    with attach(unet, STRONG):
        together = call(unet, x, timesteps, context)
        alone = torch.cat([call(unet, x[i : i + 1], timesteps[:1], context[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast(unet, dtype):
    """FreeU moves the picture by what it should; how far autocast moves it is not ours."""
    with torch.autocast("cpu", dtype):
        off, on = off_and_on(unet)
    exact_off, exact_on = off_and_on(unet)
    moved, exact = (on - off).float(), exact_on - exact_off
    assert (moved - exact).norm() < 0.2 * exact.norm()


def test_repr_tells_the_state(unet):
    session = attach(unet, STRONG)
    assert "open: 0 blocks edited" in repr(session)
    session.close()
    assert "closed" in repr(session)
