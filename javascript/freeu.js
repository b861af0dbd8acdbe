// The curve editor: how strong FreeU is over the run, as the server says, and points of a curve to drag.
//
// The box "Curve" is the truth. The editor reads its text and writes it as a user who types would, and the
// server answers with the strengths of the job's steps (freeu/webui/status.py: graph), which stand in the
// status line. There is no schedule here. First what needs no page, then the page.

(() => {
    "use strict";

    /** @typedef {[number, number]} Point  Progress and strength, each from 0 to 1. */
    /** @typedef {{left: number, top: number, width: number, height: number}} Plot  Where they are, in pixels. */
    /** @typedef {{axis: string, ends: [number, number], strengths: number[]}} Graph  What the server says. */

    /** Curves to start from. @type {Record<string, string>} */
    const CURVES = {
        "Constant": "0:1, 1:1",
        "Early only": "0:1, 0.4:1, 0.5:0, 1:0",
        "Late only": "0:0, 0.5:0, 0.6:1, 1:1",
        "Fade in": "0:0, 1:1",
        "Fade out": "0:1, 1:0",
        "Triangle": "0:0, 0.5:1, 1:0",
    };

    const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
    const GAP = 0.001; // between two points: the curve may be steep, and is never two-valued
    const BEND = 0.001; // a smaller change of slope is rounding
    const STRIDES = [1, 2, 5, 10, 20, 50, 100, 200, 500];

    const limit = (value, low, high) => Math.min(Math.max(value, low), high);
    const round = (value, digits) => Number(value.toFixed(digits));
    const byProgress = (a, b) => a[0] - b[0];
    const number = (text) => (NUMBER.test(text.trim()) ? Number(text) : NaN);

    /** A curve's points by progress, or null where the server would refuse the text. @returns {Point[] | null} */
    function parse(text) {
        const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
        const points = parts.map((part) => part.split(":").map(number)).sort(byProgress);
        const valid = points.every((point) => point.length === 2 && point.every((value) => value >= 0 && value <= 1));
        const twice = points.some((point, i) => i > 0 && point[0] === points[i - 1][0]);
        return valid && !twice ? points : null;
    }

    /** @param {Point[]} points */
    function format(points) {
        return points.map((point) => point.join(":")).join(", ");
    }

    /** With one point more, in place of any at the same progress. @returns {Point[]} */
    function add(points, point) {
        return [...points.filter((other) => other[0] !== point[0]), point].sort(byProgress);
    }

    function remove(points, index) {
        return points.filter((_, i) => i !== index);
    }

    /** With a point moved as far as its neighbours let it. @returns {Point[]} */
    function move(points, index, [progress, strength]) {
        const low = index > 0 ? points[index - 1][0] + GAP : 0;
        const high = index < points.length - 1 ? points[index + 1][0] - GAP : 1;
        const x = low <= high ? round(limit(progress, low, high), 3) : points[index][0];
        const moved = [x, round(limit(strength, 0, 1), 3)];
        return points.map((point, i) => (i === index ? moved : point));
    }

    /** A point between one and the next or, after the last, the one before. @returns {Point} */
    function beside(points, index) {
        const [x, y] = points[index];
        const [otherX, otherY] = points[index + 1] || (x < 1 ? [1, y] : points[index - 1] || [0, y]);
        return [round((x + otherX) / 2, 3), round((y + otherY) / 2, 3)];
    }

    /**
     * The curve with these strengths: its points are where the line through them turns. Of a steep piece the
     * ends are rounded inwards, so that steps beside it keep their strength.
     * @param {number[]} strengths @returns {Point[]}
     */
    function turns(strengths) {
        const last = Math.max(1, strengths.length - 1);
        const slope = (i) => (strengths[i + 1] ?? strengths[i]) - strengths[i];
        const points = strengths.map((strength, i) => {
            const [before, after] = i > 0 ? [slope(i - 1), slope(i)] : [0, 0];
            const inwards = Math.abs(after) > Math.abs(before) ? Math.ceil : Math.floor;
            const isEnd = i === 0 || i === strengths.length - 1;
            return isEnd || Math.abs(after - before) > BEND ? [inwards((1000 * i) / last) / 1000, strength] : null;
        });
        return points.filter(Boolean).reduce(add, []);
    }

    /** @param {Plot} plot @param {Point} point */
    function toPixels(plot, [x, y]) {
        return [plot.left + x * plot.width, plot.top + (1 - y) * plot.height];
    }

    /** The point at these pixels, in hundredths; outside of the plot, the nearest in it. @param {Plot} plot */
    function toPoint(plot, px, py) {
        const [x, y] = [(px - plot.left) / plot.width, 1 - (py - plot.top) / plot.height];
        return [round(limit(x, 0, 1), 2), round(limit(y, 0, 1), 2)];
    }

    /** How far pixels lie outside of the plot. @param {Plot} plot */
    function outside(plot, px, py) {
        const across = Math.max(plot.left - px, px - plot.left - plot.width, 0);
        return Math.max(across, plot.top - py, py - plot.top - plot.height, 0);
    }

    /** The index of the point nearest to these pixels, within `reach` of them, or -1. @param {Plot} plot */
    function nearest(plot, points, px, py, reach) {
        const distances = points.map((point) => {
            const [x, y] = toPixels(plot, point);
            return Math.hypot(x - px, y - py);
        });
        const least = Math.min(reach, ...distances);
        return distances.indexOf(least);
    }

    /** What an axis counts at a progress. @param {[number, number]} ends */
    function along([from, to], progress) {
        return from + (to - from) * progress;
    }

    /** Values to write along an axis: both ends, and at most about `most` round ones between. */
    function ticks([from, to], most) {
        const [low, high] = [Math.min(from, to), Math.max(from, to)];
        const stride = STRIDES.find((stride) => (high - low) / stride <= most) ?? high - low;
        const rounded = Array.from({length: Math.floor(high / stride) || 0}, (_, i) => (i + 1) * stride);
        const between = rounded.filter((value) => value - low > stride * 0.6 && high - value > stride * 0.6);
        return [...new Set([low, ...between, high])];
    }

    const pure = {
        CURVES, parse, format, add, remove, move, beside, turns, toPixels, toPoint, outside, nearest, along, ticks,
    };
    if (typeof module !== "undefined") {
        module.exports = pure; // for node's tests
        return;
    }

    // The page.

    const REACH = {mouse: 12, pen: 16, touch: 20}; // in pixels
    const MARGIN = {left: 30, right: 12, top: 12, bottom: 36};
    const DRAGGED_OUT = 28; // so far outside of the plot a point is let go
    const STEP = 0.01;
    const LARGE_STEP = 0.1;
    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

    const TITLE = "FreeU's strength over the run";
    const HINT = "A click adds a point, dragging moves it, a double click removes it. Keys: arrows, Enter, Delete.";
    const CAPTIONS = {step: "step", percent: "% of the run", timestep: "noise left (timestep)"};
    const PLACES = {
        step: "step {at} of {last}: strength {strength}",
        percent: "at {at} % of the run: strength {strength}",
        timestep: "timestep {at}: strength {strength}",
    };

    /** In the WebUI's language. */
    function say(text, values = {}) {
        const translated = (typeof getTranslation === "function" && getTranslation(text)) || text;
        return translated.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    function setAll(element, attributes) {
        Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
        return element;
    }

    function html(tag, attributes, ...children) {
        const element = setAll(document.createElement(tag), attributes);
        element.append(...children);
        return element;
    }

    function svg(tag, attributes, ...children) {
        const element = setAll(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);
        element.append(...children);
        return element;
    }

    /** The editor in one tab's accordion. It keeps only what the mouse is doing, and texts to go back to. */
    class Editor {
        constructor(place) {
            this.box = gradioApp().querySelector(`#${place.dataset.box} :is(input, textarea)`);
            this.status = place.closest(".input-accordion").querySelector(".freeu-status");
            this.drag = null;
            this.earlier = [];
            this.makeParts(place);
            this.listen(place);
            this.draw();
        }

        makeParts(place) {
            this.curves = Object.entries(CURVES).map(([name, text]) => {
                const button = html("button", {type: "button", class: "freeu-button"}, name);
                button.addEventListener("click", () => this.change(parse(text)));
                return button;
            });
            this.clear = html("button", {type: "button", class: "freeu-button freeu-clear"}, "Clear");
            this.clear.addEventListener("click", () => this.change([]));
            const buttons = html("div", {class: "freeu-buttons"}, ...this.curves, this.clear);
            this.back = svg("g", {"aria-hidden": true});
            this.line = svg("polyline", {class: "freeu-line"});
            this.handles = svg("g", {});
            this.graph = svg("svg", {class: "freeu-graph", role: "group"}, this.back, this.line, this.handles);
            this.readout = html("div", {class: "freeu-readout"});
            place.append(buttons, this.graph, this.readout);
        }

        listen(place) {
            // gradio sets a box after the HTML that tells of it, or before.
            const soon = () => requestAnimationFrame(() => this.draw());
            new MutationObserver(() => this.answered(soon)).observe(this.status, {childList: true, subtree: true});
            new ResizeObserver(soon).observe(this.graph);
            this.box.addEventListener("input", () => this.draw());
            this.graph.addEventListener("pointerdown", (event) => this.grab(event));
            this.graph.addEventListener("pointermove", (event) => this.point(event));
            this.graph.addEventListener("pointerup", () => this.letGo());
            this.graph.addEventListener("pointercancel", () => this.letGo());
            this.graph.addEventListener("pointerleave", () => this.tell());
            this.graph.addEventListener("click", (event) => this.click(event));
            this.graph.addEventListener("dblclick", (event) => this.doubleClick(event));
            this.handles.addEventListener("focusin", (event) => this.tellHandle(event.target));
            this.handles.addEventListener("focusout", () => this.tell());
            place.addEventListener("keydown", (event) => this.key(event));
        }

        // What there is

        /** The server's answer, or null. @returns {Graph | null} */
        get answer() {
            const line = this.status.querySelector("[data-freeu]");
            return line && JSON.parse(line.dataset.freeu);
        }

        /** What the server says in place of strengths. */
        get complaint() {
            return this.answer ? "" : this.status.textContent.trim();
        }

        /** The points to show: the curve's or, where it is empty, those of what the sliders make. */
        get points() {
            const points = this.drag ? this.drag.points : parse(this.box.value);
            if (this.complaint || points === null) {
                return [];
            }
            return points.length || this.drag ? points : turns(this.answer?.strengths ?? []);
        }

        /** Before the first answer, per cent. */
        get scale() {
            return this.answer ?? {axis: "percent", ends: [0, 100], strengths: []};
        }

        get plot() {
            const {left, right, top, bottom} = MARGIN;
            const {clientWidth, clientHeight} = this.graph;
            return {left, top, width: clientWidth - left - right, height: clientHeight - top - bottom};
        }

        /** A place on the graph, in words. */
        words([progress, strength]) {
            const {axis, ends} = this.scale;
            return say(PLACES[axis], {at: round(along(ends, progress), 1), last: ends[1], strength: round(strength, 2)});
        }

        // Changing it

        /** Write the points as a user would; what stood there can be had back. */
        change(points) {
            this.earlier.push(this.box.value);
            this.write(format(points));
        }

        write(text) {
            this.box.value = text;
            updateInput(this.box);
            this.draw();
        }

        undo() {
            if (this.earlier.length) {
                this.write(this.earlier.pop());
            }
        }

        // While a point is dragged, the server is asked for its strengths as often as it answers.
        answered(soon) {
            if (this.drag) {
                this.drag.asked = false;
                this.ask();
            }
            soon();
        }

        ask() {
            const text = format(this.drag.points);
            if (!this.drag.asked && text !== this.box.value) {
                this.drag.asked = true;
                this.write(text);
            }
        }

        // Mouse, pen and touch

        /** Where a pointer is in the graph, and which point it is on. */
        where(event) {
            const {left, top} = this.graph.getBoundingClientRect();
            const [x, y] = [event.clientX - left, event.clientY - top];
            const reach = REACH[event.pointerType] ?? REACH.mouse;
            return {x, y, index: nearest(this.plot, this.points, x, y, reach)};
        }

        grab(event) {
            const {index} = this.where(event);
            this.moved = false;
            if (index < 0 || event.button !== 0) {
                return;
            }
            event.preventDefault();
            this.graph.setPointerCapture(event.pointerId);
            this.handles.children[index].focus({preventScroll: true});
            this.drag = {index, before: this.box.value, points: this.points, held: this.points, asked: false};
        }

        point(event) {
            const {x, y} = this.where(event);
            if (!this.drag) {
                this.tellSample(x);
                return;
            }
            const {index, held} = this.drag;
            const out = outside(this.plot, x, y) > DRAGGED_OUT;
            this.drag.points = out ? remove(held, index) : move(held, index, toPoint(this.plot, x, y));
            this.moved = true;
            this.ask();
            this.draw();
        }

        letGo() {
            const {before, points} = this.drag ?? {};
            this.drag = null;
            if (points && this.moved) {
                this.earlier.push(before);
                this.write(format(points));
            }
        }

        click(event) {
            const {x, y, index} = this.where(event);
            if (!this.moved && index < 0 && !this.complaint && outside(this.plot, x, y) < REACH.mouse) {
                this.change(add(this.points, toPoint(this.plot, x, y)));
            }
        }

        doubleClick(event) {
            const {index} = this.where(event);
            if (index >= 0) {
                this.change(remove(this.points, index));
            }
        }

        // Keyboard

        key(event) {
            const handle = event.target.closest(".freeu-handle");
            const index = handle ? [...this.handles.children].indexOf(handle) : -1;
            if ((event.ctrlKey || event.metaKey) && event.key === "z") {
                this.undo();
            } else if (index < 0 || !this.keyOnPoint(event, index)) {
                return;
            }
            event.preventDefault();
        }

        /** Whether the key means something to a point. */
        keyOnPoint({key, shiftKey}, index) {
            const points = this.points;
            if (key in ARROWS) {
                const step = shiftKey ? LARGE_STEP : STEP;
                const target = points[index].map((value, i) => value + step * ARROWS[key][i]);
                this.change(move(points, index, target));
            } else if (key === "Delete" || key === "Backspace") {
                this.change(remove(points, index));
            } else if (key === "Enter" || key === "Insert") {
                const point = beside(points, index);
                const more = add(points, point);
                this.change(more);
                index = more.indexOf(point);
            } else {
                return false;
            }
            this.handles.children[Math.min(index, this.points.length - 1)]?.focus();
            return true;
        }

        // Drawing

        draw() {
            const {points, plot, scale} = this;
            if (plot.width <= 0) {
                return;
            }
            this.graph.classList.toggle("freeu-of-sliders", !this.box.value.trim());
            this.graph.setAttribute("aria-label", [say(TITLE), ...points.map((point) => this.words(point))].join("; "));
            this.drawAxes(plot, scale);
            this.drawStrengths(plot, this.answer ? scale : {strengths: []});
            const ends = points.length ? [[0, points[0][1]], ...points, [1, points[points.length - 1][1]]] : [];
            this.line.setAttribute("points", ends.map((point) => toPixels(plot, point)).join(" "));
            this.drawHandles(plot, points);
            const text = format(parse(this.box.value) ?? []);
            this.curves.forEach((button, i) => button.setAttribute("aria-pressed", Object.values(CURVES)[i] === text));
            this.clear.disabled = !this.box.value.trim();
            this.tell();
        }

        drawAxes(plot, {axis, ends}) {
            const right = plot.left + plot.width;
            const bottom = plot.top + plot.height;
            const levels = [0, 0.5, 1].flatMap((strength) => {
                const [x, y] = toPixels(plot, [0, strength]);
                return [
                    svg("line", {class: "freeu-grid", x1: x, x2: right, y1: y, y2: y}),
                    svg("text", {x: x - 8, y: y + 4, "text-anchor": "end"}, String(strength)),
                ];
            });
            const labels = ticks(ends, plot.width / 50).map((value) => {
                const progress = ends[0] === ends[1] ? 0 : (value - ends[0]) / (ends[1] - ends[0]);
                return svg("text", {x: toPixels(plot, [progress, 0])[0], y: bottom + 16}, String(value));
            });
            const caption = svg("text", {x: plot.left + plot.width / 2, y: bottom + 31}, say(CAPTIONS[axis]));
            this.back.replaceChildren(...levels, ...labels, caption);
        }

        /** A dot a step; where steps are not known, what is under the strengths is filled. */
        drawStrengths(plot, {axis, strengths}) {
            const last = Math.max(1, strengths.length - 1);
            const places = strengths.map((strength, i) => toPixels(plot, [i / last, strength]));
            const floor = plot.top + plot.height;
            if (axis !== "step") {
                const right = plot.left + plot.width;
                const area = [[plot.left, floor], ...places, [right, floor]].join(" ");
                this.back.append(svg("polygon", {class: "freeu-area", points: area}));
                return;
            }
            const radius = limit(plot.width / last / 4, 1.5, 4);
            const dots = places.flatMap(([x, y]) => [
                svg("line", {class: "freeu-stem", x1: x, x2: x, y1: floor, y2: y, "stroke-width": radius}),
                svg("circle", {class: "freeu-dot", cx: x, cy: y, r: radius}),
            ]);
            this.back.append(...dots);
        }

        /** The handles stay the same elements, so that one keeps the focus while it moves. */
        drawHandles(plot, points) {
            const {children} = this.handles;
            while (children.length > points.length) {
                children[points.length].remove();
            }
            while (children.length < points.length) {
                const parts = [svg("circle", {class: "freeu-reach", r: REACH.touch}), svg("circle", {r: 7})];
                const role = {role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 1};
                this.handles.append(svg("g", {class: "freeu-handle", ...role}, ...parts));
            }
            points.forEach((point, i) => {
                const [x, y] = toPixels(plot, point);
                setAll(children[i], {
                    transform: `translate(${x} ${y})`,
                    "aria-label": say("Point {n} of {count}", {n: i + 1, count: points.length}),
                    "aria-valuenow": point[1],
                    "aria-valuetext": this.words(point),
                });
            });
        }

        // Telling

        /** Below the graph: a complaint, the point that has the focus, or what can be done. */
        tell() {
            const focused = this.handles.querySelector(":focus");
            const text = this.complaint || focused?.getAttribute("aria-valuetext") || say(HINT);
            this.readout.classList.toggle("freeu-complaint", Boolean(this.complaint));
            this.readout.textContent = text;
        }

        tellHandle(handle) {
            this.readout.textContent = handle.getAttribute("aria-valuetext");
        }

        /** The strength that is nearest to the mouse. */
        tellSample(x) {
            const {strengths} = this.scale;
            const last = Math.max(1, strengths.length - 1);
            const i = Math.round(limit((x - this.plot.left) / this.plot.width, 0, 1) * last);
            if (this.answer && i in strengths) {
                this.readout.textContent = this.words([i / last, strengths[i]]);
            }
        }
    }

    onAfterUiUpdate(() => gradioApp().querySelectorAll(".freeu-editor:empty").forEach((place) => new Editor(place)));
})();
