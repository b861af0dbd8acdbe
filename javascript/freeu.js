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
    const format = (points) => points.map((point) => point.join(":")).join(", ");

    /** With one point more, in place of any at the same progress. @returns {Point[]} */
    const add = (points, point) => [...points.filter((other) => other[0] !== point[0]), point].sort(byProgress);

    /** Without one point. @returns {Point[]} */
    const remove = (points, index) => points.filter((_, i) => i !== index);

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
        const points = strengths.flatMap((strength, i) => {
            const [before, after] = i > 0 ? [slope(i - 1), slope(i)] : [0, 0];
            const inwards = Math.abs(after) > Math.abs(before) ? Math.ceil : Math.floor;
            const isEnd = i === 0 || i === strengths.length - 1;
            const turned = isEnd || Math.abs(after - before) > BEND;
            return turned ? [[inwards((1000 * i) / last) / 1000, round(strength, 3)]] : [];
        });
        return points.reduce(add, []);
    }

    /** @param {Plot} plot @param {Point} point */
    const toPixels = (plot, [x, y]) => [plot.left + x * plot.width, plot.top + (1 - y) * plot.height];

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
        return distances.indexOf(Math.min(reach, ...distances));
    }

    /** What to write along an axis: both ends, and at most `most` round values between. @returns {number[]} */
    function ticks([from, to], most) {
        const [low, high] = [Math.min(from, to), Math.max(from, to)];
        const stride = STRIDES.find((stride) => (high - low) / stride <= most) ?? high - low;
        const rounded = Array.from({length: Math.floor(high / stride) || 0}, (_, i) => (i + 1) * stride);
        const between = rounded.filter((value) => value - low > stride * 0.6 && high - value > stride * 0.6);
        return [...new Set([low, ...between, high])];
    }

    const parts = {CURVES, parse, format, add, remove, move, beside, turns, ticks, toPixels, toPoint, outside, nearest};
    if (typeof module !== "undefined") {
        module.exports = parts; // for node's tests
        return;
    }

    // The page.

    const REACH = 12; // pixels around a point that are its own, for a mouse
    const TOUCH_REACH = 20; // for a finger
    const SLACK = 3; // pixels that a hand moves without meaning to
    const LET_GO = 28; // pixels outside of the plot where a dragged point is dropped
    const MARGIN = {left: 40, right: 14, top: 14, bottom: 40};
    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

    const BUTTONS = {...CURVES, "Clear": ""};
    const TITLE = "FreeU's strength over the run";
    const HINT = "Click adds a point, dragging moves it, double click removes it. Keys: arrows, Enter, Delete, Ctrl+Z.";
    const CAPTIONS = {step: "sampling step", percent: "% of the run", timestep: "noise left (timestep)"};
    const WORDS = {
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
    }

    function make(tag, attributes = {}, ...children) {
        const space = ["div", "button"].includes(tag) ? "http://www.w3.org/1999/xhtml" : "http://www.w3.org/2000/svg";
        const element = document.createElementNS(space, tag);
        setAll(element, attributes);
        element.append(...children);
        return element;
    }

    /** The editor in one tab. It holds the server's last answer, what the pointer does, and texts to go back to. */
    class Editor {
        constructor(place) {
            this.box = gradioApp().querySelector(`#${place.dataset.box} :is(input, textarea)`);
            this.status = place.closest(".input-accordion").querySelector(".freeu-status");
            /** @type {Graph} */
            this.answer = {axis: "percent", ends: [0, 100], strengths: []};
            this.complaint = "";
            this.drag = null; // the point that is held
            this.x = NaN; // where the pointer is, if it holds none
            this.earlier = [];
            this.buttons = make("div", {class: "freeu-buttons"}, ...Object.entries(BUTTONS).map(([name, text]) => {
                return make("button", {type: "button", value: text}, name);
            }));
            this.back = make("g", {"aria-hidden": true});
            this.line = make("polyline", {class: "freeu-line"});
            this.handles = make("g");
            this.graph = make("svg", {class: "freeu-graph", role: "group"}, this.back, this.line, this.handles);
            this.readout = make("div", {class: "freeu-readout"});
            place.append(this.buttons, this.graph, this.readout, make("div", {class: "freeu-hint"}, HINT));
            this.listen(place);
            this.hear();
        }

        listen(place) {
            // gradio sets a box before the HTML that tells of it, or after.
            const heard = new MutationObserver(() => requestAnimationFrame(() => this.hear()));
            heard.observe(this.status, {childList: true, subtree: true});
            new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.graph);
            const on = (element, handlers) => Object.entries(handlers).forEach(([name, handler]) => {
                element.addEventListener(name, handler.bind(this), {passive: false});
            });
            on(this.graph, {pointerdown: this.grab, pointermove: this.follow, pointerup: this.letGo});
            on(this.graph, {pointercancel: this.forget, pointerleave: this.leave});
            on(this.graph, {click: this.click, dblclick: this.doubleClick});
            // A finger on a point drags it; anywhere else it scrolls the page.
            on(this.graph, {touchmove: (event) => this.drag && event.preventDefault()});
            on(this.handles, {focusin: this.tell, focusout: this.tell});
            on(this.buttons, {click: (event) => "value" in event.target && this.change(parse(event.target.value))});
            on(this.box, {input: this.draw});
            on(place, {keydown: this.key});
        }

        // What there is

        /** Read what the server says: strengths, or why it has none. Without any, the axis stays as it was. */
        hear() {
            const line = this.status.querySelector("[data-freeu]");
            this.answer = line ? JSON.parse(line.dataset.freeu) : {...this.answer, strengths: []};
            this.complaint = line ? "" : this.status.textContent.trim();
            this.draw();
        }

        /** The points to show: the curve's or, where it is empty, those of what the sliders make. */
        get points() {
            const points = this.complaint ? null : parse(this.box.value);
            return this.drag?.points ?? (points?.length === 0 ? turns(this.answer.strengths) : points ?? []);
        }

        /** @returns {Plot} */
        get plot() {
            const {left, right, top, bottom} = MARGIN;
            const {clientWidth, clientHeight} = this.graph;
            return {left, top, width: clientWidth - left - right, height: clientHeight - top - bottom};
        }

        /** A place on the graph, in words. */
        words([progress, strength]) {
            const {axis, ends} = this.answer;
            const at = round(ends[0] + (ends[1] - ends[0]) * progress, 1);
            return say(WORDS[axis], {at, last: ends[1], strength: round(strength, 3)});
        }

        // Changing it

        /** Write the points as a user would; what stood there can be had back. */
        change(points) {
            this.earlier.push(this.box.value);
            this.write(format(points));
        }

        write(text) {
            this.box.value = text;
            updateInput(this.box); // which draws
        }

        /** Where a pointer is on the graph, and which point it is on. */
        where({clientX, clientY, pointerType}) {
            const {left, top} = this.graph.getBoundingClientRect();
            const [x, y] = [clientX - left, clientY - top];
            return {x, y, index: nearest(this.plot, this.points, x, y, pointerType === "touch" ? TOUCH_REACH : REACH)};
        }

        grab(event) {
            const {x, y, index} = this.where(event);
            this.moved = false;
            if (index >= 0 && event.button === 0) {
                event.preventDefault();
                this.graph.setPointerCapture(event.pointerId);
                this.handles.children[index].focus({preventScroll: true});
                this.x = NaN;
                this.drag = {index, from: [x, y], held: this.points, points: this.points};
            }
        }

        follow(event) {
            const {x, y} = this.where(event);
            if (!this.drag) {
                this.x = x;
                this.tell();
                return;
            }
            const {index, from, held} = this.drag;
            this.moved ||= Math.hypot(x - from[0], y - from[1]) > SLACK;
            if (this.moved) {
                const isOut = outside(this.plot, x, y) > LET_GO;
                this.drag.points = isOut ? remove(held, index) : move(held, index, toPoint(this.plot, x, y));
                this.draw();
            }
        }

        letGo() {
            const points = this.drag?.points;
            this.forget();
            if (points && this.moved) {
                this.change(points);
            }
        }

        forget() {
            this.drag = null;
            this.draw();
        }

        leave() {
            this.x = NaN;
            this.tell();
        }

        click(event) {
            const {x, y, index} = this.where(event);
            if (!this.moved && index < 0 && !this.complaint && outside(this.plot, x, y) < REACH) {
                this.change(add(this.points, toPoint(this.plot, x, y)));
            }
        }

        doubleClick(event) {
            const {index} = this.where(event);
            if (index >= 0) {
                this.change(remove(this.points, index));
            }
        }

        key(event) {
            const index = [...this.handles.children].indexOf(event.target);
            const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
            if (isUndo && this.earlier.length) {
                this.write(this.earlier.pop());
            }
            if (isUndo || (index >= 0 && this.keyOnPoint(event, index))) {
                event.preventDefault();
            }
        }

        /** Whether the key means something to a point. */
        keyOnPoint({key, shiftKey}, index) {
            const points = this.points;
            if (key in ARROWS) {
                const step = shiftKey ? 0.1 : 0.01;
                this.change(move(points, index, points[index].map((value, i) => value + step * ARROWS[key][i])));
            } else if (key === "Delete" || key === "Backspace") {
                this.change(remove(points, index));
            } else if (key === "Enter" || key === "Insert") {
                const point = beside(points, index);
                this.change(add(points, point));
                index = add(points, point).indexOf(point);
            } else {
                return false;
            }
            this.handles.children[Math.min(index, this.points.length - 1)]?.focus();
            return true;
        }

        // Drawing

        draw() {
            const {points, plot, answer, box} = this;
            const isCurve = box.value.trim() !== "" || this.drag !== null;
            this.graph.classList.toggle("freeu-of-sliders", !isCurve);
            this.graph.classList.toggle("freeu-dragging", this.drag !== null);
            for (const button of this.buttons.children) {
                button.setAttribute("aria-pressed", isCurve && points.length > 0 && button.value === format(points));
                button.disabled = !isCurve && button.value === "";
            }
            this.graph.setAttribute("aria-label", [say(TITLE), ...points.map((point) => this.words(point))].join("; "));
            if (plot.width > 0) {
                this.back.replaceChildren(...this.axes(plot, answer), ...this.strengths(plot, answer));
                const level = points.length ? [[0, points[0][1]], ...points, [1, points[points.length - 1][1]]] : [];
                this.line.setAttribute("points", level.map((point) => toPixels(plot, point)).join(" "));
                this.drawHandles(plot, points);
            }
            this.tell();
        }

        axes(plot, {axis, ends}) {
            const [right, bottom] = toPixels(plot, [1, 0]);
            const caption = make("text", {x: (plot.left + right) / 2, y: bottom + 36}, say(CAPTIONS[axis]));
            const levels = [0, 0.5, 1].flatMap((strength) => {
                const [x, y] = toPixels(plot, [0, strength]);
                const line = make("line", {class: "freeu-grid", x1: x, x2: right, y1: y, y2: y});
                return [line, make("text", {x: x - 22, y: y + 4}, String(strength))];
            });
            const labels = ticks(ends, plot.width / 50).map((value) => {
                const [x] = toPixels(plot, [(value - ends[0]) / (ends[1] - ends[0] || 1), 0]);
                return make("text", {x, y: bottom + 20}, String(value));
            });
            return [...levels, ...labels, caption];
        }

        /** A dot a step; where steps are not known, what is under the strengths is filled. */
        strengths(plot, {axis, strengths}) {
            const last = Math.max(1, strengths.length - 1);
            const places = strengths.map((strength, i) => toPixels(plot, [i / last, strength]));
            const [left, floor] = toPixels(plot, [0, 0]);
            if (axis !== "step") {
                const area = [[left, floor], ...places, [left + plot.width, floor]];
                return [make("polygon", {class: "freeu-area", points: area.join(" ")})];
            }
            const radius = limit(plot.width / last / 4, 1.5, 4);
            return places.flatMap(([x, y]) => [
                make("line", {class: "freeu-stem", x1: x, x2: x, y1: floor, y2: y, "stroke-width": radius}),
                make("circle", {class: "freeu-dot", cx: x, cy: y, r: radius}),
            ]);
        }

        /** The handles stay the same elements, so that one keeps the focus while it moves. */
        drawHandles(plot, points) {
            const {children} = this.handles;
            while (children.length > points.length) {
                children[points.length].remove();
            }
            while (children.length < points.length) {
                const role = {role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 1};
                const circles = [make("circle", {class: "freeu-reach", r: TOUCH_REACH}), make("circle", {r: 7})];
                this.handles.append(make("g", {class: "freeu-handle", ...role}, ...circles));
            }
            points.forEach((point, i) => setAll(children[i], {
                transform: `translate(${toPixels(plot, point)})`,
                "aria-label": say("Point {n} of {count}", {n: i + 1, count: points.length}),
                "aria-valuenow": point[1],
                "aria-valuetext": this.words(point),
            }));
        }

        /** Below the graph: a complaint, the strength where the pointer is, or the point that has the focus. */
        tell() {
            const focused = this.handles.querySelector(":focus")?.getAttribute("aria-valuetext");
            this.readout.classList.toggle("freeu-complaint", this.complaint !== "");
            this.readout.textContent = this.complaint || this.pointed() || focused || "";
        }

        /** The strength of the step that the pointer is nearest to, in words. */
        pointed() {
            const {strengths} = this.answer;
            const last = Math.max(1, strengths.length - 1);
            const i = Math.round(limit((this.x - this.plot.left) / this.plot.width, 0, 1) * last);
            return i in strengths && this.words([i / last, strengths[i]]);
        }
    }

    onAfterUiUpdate(() => gradioApp().querySelectorAll(".freeu-editor:empty").forEach((place) => new Editor(place)));
})();
