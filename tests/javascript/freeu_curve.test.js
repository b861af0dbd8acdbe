// Tests of javascript/freeu_curve.js: node --test tests/javascript

const assert = require("node:assert/strict");
const {describe, test} = require("node:test");
require("../../javascript/freeu_curve.js");

const curve = globalThis.freeuCurve;
const PLOT = {left: 40, top: 10, width: 400, height: 100};
const TRIANGLE = [[0, 0], [0.5, 1], [1, 0]];

/** Return the strength of a curve at a progress, by linear interpolation. */
function interpolate(points, progress) {
    const after = points.findIndex((point) => point[0] >= progress);
    if (after <= 0) {
        return points.at(after)[1];
    }
    const [[x0, y0], [x1, y1]] = [points[after - 1], points[after]];
    return y0 + ((y1 - y0) * (progress - x0)) / (x1 - x0);
}

describe("parse and format", () => {
    for (const [text, points] of [
        ["", []],
        [" , ", []],
        ["0:0, 0.5:1, 1:0", TRIANGLE],
        ["1:0,0:0 ,, .5 : 1.0,", TRIANGLE],
        ["0.25:1e-2", [[0.25, 0.01]]],
    ]) {
        test(`"${text}" has the points ${JSON.stringify(points)}`, () => assert.deepEqual(curve.parse(text), points));
    }

    for (const text of ["0", "0:", ":1", "0:0:0", "0:2", "-0.1:1", "a:b", "0:NaN", "0:0x1", "0:1_0", "0.5:0, .5:1"]) {
        test(`"${text}" is refused`, () => assert.equal(curve.parse(text), null));
    }

    test("format and parse keep every digit", () => {
        const points = [[0, 0], [1 / 3, 0.1], [0.5, 1e-7], [1, 1]];
        assert.deepEqual(curve.parse(curve.format(points)), points);
    });

    for (const [name, text] of Object.entries({
        digits: `${"1".repeat(100_000)}x`,
        decimals: `0.${"1".repeat(100_000)}x`,
        exponent: `1e${"1".repeat(100_000)}x`,
        spaces: `1${" ".repeat(100_000)}x`,
        colons: "0:".repeat(50_000),
        commas: ",".repeat(100_000),
        points: Array.from({length: 10_000}, (_, index) => `${1 - index / 10_000}:1`).join(","),
    })) {
        // Linear time is some milliseconds; a pattern that backtracks takes 38 s for the digits.
        test(`100 kB of ${name} take linear time`, () => {
            const start = performance.now();
            curve.parse(text);
            assert.ok(performance.now() - start < 2000);
        });
    }
});

describe("editing points", () => {
    test("a point is added in the order of progress", () => {
        assert.deepEqual(curve.addPoint(TRIANGLE, [0.2, 0.7]), [[0, 0], [0.2, 0.7], [0.5, 1], [1, 0]]);
    });

    test("a curve with as many points as allowed gets no other one, but a point can be replaced", () => {
        const points = Array.from({length: 200}, (_, index) => [index / 200, 1]);
        assert.deepEqual(curve.parse(curve.format(points)), points);
        assert.deepEqual(curve.addPoint(points, [1, 0]), points);
        assert.deepEqual(curve.addPoint(points, [0, 0])[0], [0, 0]);
    });

    test("a point at the same progress is replaced", () => {
        assert.deepEqual(curve.addPoint(TRIANGLE, [0.5, 0.3]), [[0, 0], [0.5, 0.3], [1, 0]]);
    });

    test("a point is removed", () => assert.deepEqual(curve.removePoint(TRIANGLE, 0), [[0.5, 1], [1, 0]]));

    test("a point moves", () => assert.deepEqual(curve.movePoint(TRIANGLE, 1, [0.25, 0.5])[1], [0.25, 0.5]));

    test("a moved point stops at its neighbours, and at 0 and 1", () => {
        assert.deepEqual(curve.movePoint(TRIANGLE, 1, [2, 2]), [[0, 0], [0.999, 1], [1, 0]]);
        assert.deepEqual(curve.movePoint(TRIANGLE, 1, [-2, -2]), [[0, 0], [0.001, 0], [1, 0]]);
        assert.deepEqual(curve.movePoint(TRIANGLE, 0, [-2, 0.1])[0], [0, 0.1]);
    });

    test("a point between close neighbours keeps its progress", () => {
        const close = [[0.2, 0], [0.2004, 0.5], [0.2008, 1]];
        assert.deepEqual(curve.movePoint(close, 1, [0.9, 0.25])[1], [0.2004, 0.25]);
    });

    test("the arguments are not modified", () => {
        const points = Object.freeze(TRIANGLE.map(Object.freeze));
        curve.addPoint(points, [0.1, 0.1]);
        curve.movePoint(points, 1, [0.3, 0.3]);
        curve.removePoint(points, 1);
    });

    test("a midpoint is halfway to the next point, to the end of the run, or to the previous point", () => {
        assert.deepEqual(curve.midpoint(TRIANGLE, 0), [0.25, 0.5]);
        assert.deepEqual(curve.midpoint(TRIANGLE, 2), [0.75, 0.5]);
        assert.deepEqual(curve.midpoint([[0.5, 0.4]], 0), [0.75, 0.4]);
        assert.deepEqual(curve.midpoint([[1, 0.4]], 0), [0.5, 0.4]);
    });
});

describe("fit", () => {
    test("constant strengths give two points", () => {
        assert.deepEqual(curve.fit(Array(20).fill(1)), [[0, 1], [1, 1]]);
    });

    test("no strengths give no points, and one strength gives one", () => {
        assert.deepEqual(curve.fit([]), []);
        assert.deepEqual(curve.fit([0.5]), [[0, 0.5]]);
    });

    test("a triangle gives three points", () => {
        assert.deepEqual(curve.fit([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]), TRIANGLE);
    });

    for (const steps of [2, 3, 4, 7, 12, 20, 33, 50, 150]) {
        test(`the curve of every window of ${steps} steps keeps the strength of each step`, () => {
            for (let first = 0; first < steps; first++) {
                for (let end = first; end <= steps; end++) {
                    const strengths = Array.from({length: steps}, (_, i) => (first <= i && i < end ? 1 : 0));
                    const points = curve.fit(strengths);
                    assert.deepEqual(curve.parse(curve.format(points)), points);
                    const fitted = strengths.map((_, i) => interpolate(points, i / (steps - 1)));
                    // The peak of a single step cannot be rounded inwards.
                    const tolerance = end - first === 1 ? (steps - 1) / 1000 : 0;
                    fitted.forEach((strength, i) => assert.ok(Math.abs(strength - strengths[i]) <= tolerance));
                    assert.deepEqual(fitted.map((strength) => strength > 0), strengths.map((strength) => strength > 0));
                }
            }
        });
    }
});

describe("pixels", () => {
    test("0:0 is at the bottom left, 1:1 at the top right", () => {
        assert.deepEqual(curve.toPixel(PLOT, [0, 0]), [40, 110]);
        assert.deepEqual(curve.toPixel(PLOT, [1, 1]), [440, 10]);
    });

    test("fromPixel inverts toPixel", () => {
        for (const point of [[0, 0], [0.13, 0.86], [0.5, 0.5], [1, 1]]) {
            assert.deepEqual(curve.fromPixel(PLOT, curve.toPixel(PLOT, point)), point);
        }
    });

    test("a pixel outside of the plot gives the nearest point inside", () => {
        assert.deepEqual(curve.fromPixel(PLOT, [0, 500]), [0, 0]);
        assert.deepEqual(curve.fromPixel(PLOT, [500, 0]), [1, 1]);
    });

    test("the distance of a pixel outside of the plot", () => {
        assert.equal(curve.distanceOutside(PLOT, [100, 50]), 0);
        assert.equal(curve.distanceOutside(PLOT, [30, 50]), 10);
        assert.equal(curve.distanceOutside(PLOT, [30, 150]), 40);
        assert.equal(curve.distanceOutside(PLOT, [460, -5]), 20);
    });

    test("the nearest point is hit if it is within the radius", () => {
        assert.equal(curve.hitTest(PLOT, TRIANGLE, [241, 12], 12), 1);
        assert.equal(curve.hitTest(PLOT, TRIANGLE, [241, 30], 12), -1);
        assert.equal(curve.hitTest(PLOT, [[0.5, 0.5], [0.52, 0.5]], [245, 60], 12), 1);
        assert.equal(curve.hitTest(PLOT, [], [241, 12], 12), -1);
    });
});

describe("ticks", () => {
    for (const [ends, most, values] of [
        [[1, 20], 8, [1, 5, 10, 15, 20]],
        [[1, 4], 8, [1, 2, 3, 4]],
        [[1, 1], 8, [1]],
        [[1, 150], 4, [1, 50, 100, 150]],
        [[999, 0], 5, [0, 200, 400, 600, 800, 999]],
        [[0, 100], 10, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]],
    ]) {
        test(`${ends} with at most ${most}`, () => assert.deepEqual(curve.ticks(ends, most), values));
    }
});
