// Curves of the FreeU strength over the run: parse, format, edit, fit, and convert to pixels. Pure functions, no page.
//
// A curve is a list of points, sorted by progress. The WebUI loads every file of this folder as a plain script, in
// alphabetical order, so the functions are shared through the global object `freeuCurve`.

globalThis.freeuCurve = (() => {
    "use strict";

    /** @typedef {[number, number]} Point  Progress and strength, each from 0 to 1. */
    /** @typedef {[number, number]} Pixel  x and y, in pixels from the top left corner of the graph. */
    /** @typedef {{left: number, top: number, width: number, height: number}} Plot  Where the points are, in pixels. */

    const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i; // unambiguous, so that a long text takes linear time
    const MAX_POINTS = 200; // as the server's MAX_CURVE_POINTS (freeu/settings/parameter.py)
    const MIN_GAP = 0.001; // of progress, between two points
    const SLOPE_TOLERANCE = 0.001; // the server rounds strengths, so a smaller change of slope is no corner
    const TICK_INTERVALS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

    const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
    const round = (value, digits) => Number(value.toFixed(digits));
    const byProgress = (first, second) => first[0] - second[0];
    const parseNumber = (text) => (NUMBER.test(text.trim()) ? Number(text) : NaN);

    /** Parse "progress:strength, ..."; return null if the server would refuse the text. @returns {Point[] | null} */
    function parse(text) {
        const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
        if (parts.length > MAX_POINTS) {
            return null;
        }
        const points = parts.map((part) => part.split(":").map(parseNumber)).sort(byProgress);
        const isPoint = (point) => point.length === 2 && point.every((value) => value >= 0 && value <= 1);
        const isDuplicate = (point, index) => index > 0 && point[0] === points[index - 1][0];
        return points.every(isPoint) && !points.some(isDuplicate) ? points : null;
    }

    /** @param {Point[]} points @returns {string} */
    const format = (points) => points.map((point) => point.join(":")).join(", ");

    /** Return the points with one more, which replaces a point at the same progress. @returns {Point[]} */
    function addPoint(points, point) {
        const added = [...points.filter((other) => other[0] !== point[0]), point].sort(byProgress);
        return added.length <= MAX_POINTS ? added : points;
    }

    /** @returns {Point[]} */
    const removePoint = (points, index) => points.filter((_, other) => other !== index);

    /** Return the points with one moved; it stays between its neighbours. @returns {Point[]} */
    function movePoint(points, index, [progress, strength]) {
        const low = index > 0 ? points[index - 1][0] + MIN_GAP : 0;
        const high = index < points.length - 1 ? points[index + 1][0] - MIN_GAP : 1;
        const newProgress = low <= high ? round(clamp(progress, low, high), 3) : points[index][0];
        const moved = [newProgress, round(clamp(strength, 0, 1), 3)];
        return points.map((point, other) => (other === index ? moved : point));
    }

    /** Return the point halfway to the next one or, from the last one, to the end of the run or the previous one. */
    function midpoint(points, index) {
        const [progress, strength] = points[index];
        const fallback = progress < 1 ? [1, strength] : points[index - 1] ?? [0, strength];
        const [otherProgress, otherStrength] = points[index + 1] ?? fallback;
        return [round((progress + otherProgress) / 2, 3), round((strength + otherStrength) / 2, 3)];
    }

    /**
     * Fit a curve to evenly spaced strengths: one point at each corner of the line through them. The progress at the
     * ends of a steep line is rounded towards its middle, so that the steps outside of it keep their strength.
     * @param {number[]} strengths @returns {Point[]}
     */
    function fit(strengths) {
        const last = Math.max(1, strengths.length - 1);
        const corners = strengths.flatMap((strength, index) => {
            const slopeBefore = strength - (strengths[index - 1] ?? strength);
            const slopeAfter = (strengths[index + 1] ?? strength) - strength;
            const isEnd = index === 0 || index === strengths.length - 1;
            const isCorner = isEnd || Math.abs(slopeAfter - slopeBefore) > SLOPE_TOLERANCE;
            const roundInwards = Math.abs(slopeAfter) > Math.abs(slopeBefore) ? Math.ceil : Math.floor;
            return isCorner ? [[roundInwards((1000 * index) / last) / 1000, round(strength, 3)]] : [];
        });
        return [...new Map(corners)].sort(byProgress); // of corners at the same progress, the last
    }

    /** @param {Plot} plot @param {Point} point @returns {Pixel} */
    function toPixel(plot, [progress, strength]) {
        return [plot.left + progress * plot.width, plot.top + (1 - strength) * plot.height];
    }

    /** Convert a pixel to a point, rounded to 0.01 and limited to the plot. @param {Plot} plot @returns {Point} */
    function fromPixel(plot, [x, y]) {
        const [progress, strength] = [(x - plot.left) / plot.width, 1 - (y - plot.top) / plot.height];
        return [round(clamp(progress, 0, 1), 2), round(clamp(strength, 0, 1), 2)];
    }

    /** Return how many pixels a pixel is outside of the plot: 0 inside. @param {Plot} plot @param {Pixel} pixel */
    function distanceOutside(plot, [x, y]) {
        return Math.max(plot.left - x, x - plot.left - plot.width, plot.top - y, y - plot.top - plot.height, 0);
    }

    /** Return the index of the point nearest to a pixel, or -1 if none is nearer than `radius` pixels. */
    function hitTest(plot, points, [x, y], radius) {
        const distances = points.map((point) => {
            const [pointX, pointY] = toPixel(plot, point);
            return Math.hypot(pointX - x, pointY - y);
        });
        return distances.indexOf(Math.min(radius, ...distances));
    }

    /** Return the values to label on an axis: both ends, and at most `most` round values between them. */
    function ticks([from, to], most) {
        const [low, high] = [Math.min(from, to), Math.max(from, to)];
        const interval = TICK_INTERVALS.find((candidate) => (high - low) / candidate <= most) ?? high - low;
        const multiples = Array.from({length: Math.floor(high / interval) || 0}, (_, index) => (index + 1) * interval);
        const inside = multiples.filter((value) => Math.min(value - low, high - value) > interval * 0.6);
        return [...new Set([low, ...inside, high])];
    }

    return {
        clamp, round, parse, format, addPoint, removePoint, movePoint, midpoint, fit,
        toPixel, fromPixel, distanceOutside, hitTest, ticks,
    };
})();
