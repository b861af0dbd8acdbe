// What the curve editor computes, without a page: node --test tests/javascript/curve.test.js

const assert = require("node:assert/strict");
const {describe, test} = require("node:test");
const curve = require("../../javascript/freeu.js");

const PLOT = {left: 40, top: 10, width: 400, height: 100};
const HAT = [[0, 0], [0.5, 1], [1, 0]];

/** A curve's strength at a progress, by its definition. */
function at(points, progress) {
    const after = points.findIndex((point) => point[0] >= progress);
    if (after <= 0) {
        return points.at(after)[1];
    }
    const [[x0, y0], [x1, y1]] = [points[after - 1], points[after]];
    return y0 + ((y1 - y0) * (progress - x0)) / (x1 - x0);
}

describe("reading and writing the text", () => {
    for (const [text, points] of [
        ["", []],
        [" , ", []],
        ["0:0, 0.5:1, 1:0", HAT],
        ["1:0,0:0 ,, .5 : 1.0,", HAT],
        ["0.25:1e-2", [[0.25, 0.01]]],
    ]) {
        test(`"${text}" is ${JSON.stringify(points)}`, () => assert.deepEqual(curve.parse(text), points));
    }

    for (const text of ["0", "0:", ":1", "0:0:0", "0:2", "-0.1:1", "a:b", "0:NaN", "0:0x1", "0:1_0", "0.5:0, .5:1"]) {
        test(`"${text}" is refused`, () => assert.equal(curve.parse(text), null));
    }

    test("what is written is read back, to the last digit", () => {
        const points = [[0, 0], [1 / 3, 0.1], [0.5, 1e-7], [1, 1]];
        assert.deepEqual(curve.parse(curve.format(points)), points);
    });

    test("the curves to start from are read", () => {
        for (const text of Object.values(curve.CURVES)) {
            assert.equal(curve.format(curve.parse(text)), text);
        }
    });
});

describe("changing points", () => {
    test("one is added in its place", () => {
        assert.deepEqual(curve.add(HAT, [0.2, 0.7]), [[0, 0], [0.2, 0.7], [0.5, 1], [1, 0]]);
    });

    test("one at the same progress is replaced", () => {
        assert.deepEqual(curve.add(HAT, [0.5, 0.3]), [[0, 0], [0.5, 0.3], [1, 0]]);
    });

    test("one is removed", () => assert.deepEqual(curve.remove(HAT, 0), [[0.5, 1], [1, 0]]));

    test("one moves", () => assert.deepEqual(curve.move(HAT, 1, [0.25, 0.5])[1], [0.25, 0.5]));

    test("it stops before its neighbours, and at 0 and 1", () => {
        assert.deepEqual(curve.move(HAT, 1, [2, 2]), [[0, 0], [0.999, 1], [1, 0]]);
        assert.deepEqual(curve.move(HAT, 1, [-2, -2]), [[0, 0], [0.001, 0], [1, 0]]);
        assert.deepEqual(curve.move(HAT, 0, [-2, 0.1])[0], [0, 0.1]);
    });

    test("between neighbours that touch it, its progress stays", () => {
        const close = [[0.2, 0], [0.2004, 0.5], [0.2008, 1]];
        assert.deepEqual(curve.move(close, 1, [0.9, 0.25])[1], [0.2004, 0.25]);
    });

    test("what was given is left as it was", () => {
        const points = Object.freeze(HAT.map(Object.freeze));
        curve.add(points, [0.1, 0.1]);
        curve.move(points, 1, [0.3, 0.3]);
        curve.remove(points, 1);
    });

    test("a point beside another is on the line to the next, or to the one before", () => {
        assert.deepEqual(curve.beside(HAT, 0), [0.25, 0.5]);
        assert.deepEqual(curve.beside(HAT, 2), [0.75, 0.5]);
        assert.deepEqual(curve.beside([[0.5, 0.4]], 0), [0.75, 0.4]);
        assert.deepEqual(curve.beside([[1, 0.4]], 0), [0.5, 0.4]);
    });
});

describe("a curve in place of the sliders", () => {
    test("constant strengths are two points", () => {
        assert.deepEqual(curve.turns(Array(20).fill(1)), [[0, 1], [1, 1]]);
    });

    test("no strengths are no points, and one is one", () => {
        assert.deepEqual(curve.turns([]), []);
        assert.deepEqual(curve.turns([0.5]), [[0, 0.5]]);
    });

    test("a triangle is three", () => {
        assert.deepEqual(curve.turns([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]), HAT);
    });

    for (const steps of [2, 3, 4, 7, 12, 20, 33, 50, 150]) {
        test(`every window of ${steps} steps keeps each step's strength`, () => {
            for (let first = 0; first < steps; first++) {
                for (let end = first; end <= steps; end++) {
                    const strengths = Array.from({length: steps}, (_, i) => (first <= i && i < end ? 1 : 0));
                    const points = curve.turns(strengths);
                    assert.deepEqual(curve.parse(curve.format(points)), points);
                    const drawn = strengths.map((_, i) => at(points, i / (steps - 1)));
                    // A single step is a peak, and a peak has no inside to be rounded to.
                    const rounded = end - first === 1 ? (steps - 1) / 1000 : 0;
                    drawn.forEach((strength, i) => assert.ok(Math.abs(strength - strengths[i]) <= rounded));
                    assert.deepEqual(drawn.map((strength) => strength > 0), strengths.map((strength) => strength > 0));
                }
            }
        });
    }
});

describe("places in pixels", () => {
    test("0:0 is at the left below, 1:1 at the right above", () => {
        assert.deepEqual(curve.toPixels(PLOT, [0, 0]), [40, 110]);
        assert.deepEqual(curve.toPixels(PLOT, [1, 1]), [440, 10]);
    });

    test("there and back", () => {
        for (const point of [[0, 0], [0.13, 0.86], [0.5, 0.5], [1, 1]]) {
            assert.deepEqual(curve.toPoint(PLOT, ...curve.toPixels(PLOT, point)), point);
        }
    });

    test("outside, it is the nearest point inside", () => {
        assert.deepEqual(curve.toPoint(PLOT, 0, 500), [0, 0]);
        assert.deepEqual(curve.toPoint(PLOT, 500, 0), [1, 1]);
    });

    test("how far outside", () => {
        assert.equal(curve.outside(PLOT, 100, 50), 0);
        assert.equal(curve.outside(PLOT, 30, 50), 10);
        assert.equal(curve.outside(PLOT, 30, 150), 40);
        assert.equal(curve.outside(PLOT, 460, -5), 20);
    });

    test("the nearest point, if it is near", () => {
        assert.equal(curve.nearest(PLOT, HAT, 241, 12, 12), 1);
        assert.equal(curve.nearest(PLOT, HAT, 241, 30, 12), -1);
        assert.equal(curve.nearest(PLOT, [[0.5, 0.5], [0.52, 0.5]], 245, 60, 12), 1);
        assert.equal(curve.nearest(PLOT, [], 241, 12, 12), -1);
    });
});

describe("what is written along an axis", () => {
    for (const [ends, most, values] of [
        [[1, 20], 8, [1, 5, 10, 15, 20]],
        [[1, 4], 8, [1, 2, 3, 4]],
        [[1, 1], 8, [1]],
        [[1, 150], 4, [1, 50, 100, 150]],
        [[999, 0], 5, [0, 200, 400, 600, 800, 999]],
        [[0, 100], 10, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]],
    ]) {
        test(`${ends} with ${most}`, () => assert.deepEqual(curve.ticks(ends, most), values));
    }
});
