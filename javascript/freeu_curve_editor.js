// The curve editor: a graph of the FreeU strength over the run, with points to drag.
//
// The text box "Curve" holds the state: the editor reads its text and writes it as if the user had typed. The server
// then sends the strengths of the job's steps with the status line (`graph` in freeu/webui/status.py), so that the
// schedule is computed in one place only.

(() => {
    "use strict";

    /** @typedef {{axis: string, ends: [number, number], strengths: number[]}} Graph  See `graph` in status.py. */

    const {
        clamp, round, parse, format, addPoint, removePoint, movePoint, midpoint, fit,
        toPixel, fromPixel, distanceOutside, hitTest, ticks,
    } = window.freeuCurve;

    // In pixels
    const HIT_RADIUS = {mouse: 12, touch: 20};
    const DRAG_THRESHOLD = 3; // a pointer that moves less clicks
    const REMOVE_DISTANCE = 28; // a point that is dropped this far outside of the plot is removed
    const MARGIN = {left: 40, right: 14, top: 14, bottom: 40};

    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

    // The texts below are the keys of localizations/*.json.
    const BUTTONS = {
        "Constant": "0:1, 1:1",
        "Early only": "0:1, 0.4:1, 0.5:0, 1:0",
        "Late only": "0:0, 0.5:0, 0.6:1, 1:1",
        "Fade in": "0:0, 1:1",
        "Fade out": "0:1, 1:0",
        "Triangle": "0:0, 0.5:1, 1:0",
        "Clear": "",
    };
    const TITLE = "FreeU's strength over the run";
    const HINT = "Click to add a point, drag to move, double-click to remove. Keys: arrows, Enter, Delete, Ctrl+Z.";
    const HANDLE_LABEL = "Point {n} of {count}";
    const CAPTIONS = {step: "sampling step", percent: "% of the run", timestep: "noise left (timestep)"};
    const DESCRIPTIONS = {
        step: "step {at} of {last}: strength {strength}",
        percent: "at {at} % of the run: strength {strength}",
        timestep: "timestep {at}: strength {strength}",
    };

    /** Translate a text to the language of the WebUI, and fill in the values. */
    function translate(text, values = {}) {
        const translation = (typeof getTranslation === "function" && getTranslation(text)) || text;
        return translation.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    function setAttributes(element, attributes) {
        Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    }

    function make(tag, attributes = {}, ...children) {
        const isHtml = ["div", "button"].includes(tag);
        const namespace = isHtml ? "http://www.w3.org/1999/xhtml" : "http://www.w3.org/2000/svg";
        const element = document.createElementNS(namespace, tag);
        setAttributes(element, attributes);
        element.append(...children);
        return element;
    }

    /** The editor of one tab. */
    class CurveEditor {
        constructor(container) {
            this.box = gradioApp().querySelector(`#${container.dataset.box} :is(input, textarea)`);
            this.status = container.closest(".input-accordion").querySelector(".freeu-status");
            /** @type {Graph} */
            this.graph = {axis: "percent", ends: [0, 100], strengths: []};
            this.error = ""; // from the server
            this.drag = null; // the point being dragged, and the points with it at its present position
            this.isDragged = false; // whether the pointer has moved since it was pressed
            this.pointerX = NaN; // in pixels, while the pointer is over the graph and drags nothing
            this.undoTexts = [];

            this.buttons = make("div", {class: "freeu-buttons"}, ...Object.entries(BUTTONS).map(([label, value]) => {
                return make("button", {type: "button", value}, label);
            }));
            this.background = make("g", {"aria-hidden": true});
            this.line = make("polyline", {class: "freeu-line"});
            this.handles = make("g");
            this.svg = make("svg", {class: "freeu-graph", role: "group"}, this.background, this.line, this.handles);
            this.readout = make("div", {class: "freeu-readout"});
            container.append(this.buttons, this.svg, this.readout, make("div", {class: "freeu-hint"}, HINT));
            this.addListeners(container);
            this.readStatus();
        }

        addListeners(container) {
            // gradio may update the status line before the text box, so read both in the next frame.
            const statusObserver = new MutationObserver(() => requestAnimationFrame(() => this.readStatus()));
            statusObserver.observe(this.status, {childList: true, subtree: true});
            new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.svg);

            const listen = (element, handlers) => Object.entries(handlers).forEach(([name, handler]) => {
                element.addEventListener(name, handler.bind(this), {passive: false});
            });
            listen(this.svg, {
                pointerdown: this.onPointerDown,
                pointermove: this.onPointerMove,
                pointerup: this.onPointerUp,
                pointercancel: this.endDrag,
                pointerleave: this.onPointerLeave,
                click: this.onClick,
                dblclick: this.onDoubleClick,
                touchmove: (event) => this.drag && event.preventDefault(), // without a drag, a finger scrolls the page
            });
            listen(this.handles, {focusin: this.updateReadout, focusout: this.updateReadout});
            listen(this.buttons, {click: ({target}) => "value" in target && this.setPoints(parse(target.value))});
            listen(this.box, {input: this.draw});
            listen(container, {keydown: this.onKeyDown});
        }

        // State

        /** Read the strengths or the error from the status line. After an error, the axis stays as it was. */
        readStatus() {
            const line = this.status.querySelector("[data-freeu]");
            this.graph = line ? JSON.parse(line.dataset.freeu) : {...this.graph, strengths: []};
            this.error = line ? "" : this.status.textContent.trim();
            this.draw();
        }

        /** The points with handles: those of the curve or, without a curve, of the schedule set by the sliders. */
        get points() {
            const points = this.error ? null : parse(this.box.value);
            return this.drag?.points ?? (points?.length === 0 ? fit(this.graph.strengths) : points ?? []);
        }

        /** The area of the points, in pixels. */
        get plot() {
            const {left, right, top, bottom} = MARGIN;
            const {clientWidth, clientHeight} = this.svg;
            return {left, top, width: clientWidth - left - right, height: clientHeight - top - bottom};
        }

        describePoint([progress, strength]) {
            const {axis, ends} = this.graph;
            const at = round(ends[0] + (ends[1] - ends[0]) * progress, 1);
            return translate(DESCRIPTIONS[axis], {at, last: ends[1], strength: round(strength, 3)});
        }

        /** Write the points to the text box; Ctrl+Z restores its text. */
        setPoints(points) {
            this.undoTexts.push(this.box.value);
            this.setText(format(points));
        }

        setText(text) {
            this.box.value = text;
            updateInput(this.box); // dispatches an input event, which draws
        }

        // Input

        /** Return the pixel of a pointer on the graph, and the index of the point that it hits, or -1. */
        locate({clientX, clientY, pointerType}) {
            const {left, top} = this.svg.getBoundingClientRect();
            const pixel = [clientX - left, clientY - top];
            return {pixel, index: hitTest(this.plot, this.points, pixel, HIT_RADIUS[pointerType] ?? HIT_RADIUS.mouse)};
        }

        onPointerDown(event) {
            const {pixel, index} = this.locate(event);
            this.isDragged = false;
            if (index >= 0 && event.button === 0) {
                event.preventDefault();
                this.svg.setPointerCapture(event.pointerId);
                this.handles.children[index].focus({preventScroll: true});
                this.pointerX = NaN;
                this.drag = {index, startPixel: pixel, startPoints: this.points, points: this.points};
            }
        }

        onPointerMove(event) {
            const {pixel} = this.locate(event);
            if (!this.drag) {
                this.pointerX = pixel[0];
                this.updateReadout();
                return;
            }
            const {index, startPixel, startPoints} = this.drag;
            this.isDragged ||= Math.hypot(pixel[0] - startPixel[0], pixel[1] - startPixel[1]) > DRAG_THRESHOLD;
            if (this.isDragged) {
                const isRemoved = distanceOutside(this.plot, pixel) > REMOVE_DISTANCE;
                const target = fromPixel(this.plot, pixel);
                this.drag.points = isRemoved ? removePoint(startPoints, index) : movePoint(startPoints, index, target);
                this.draw();
            }
        }

        onPointerUp() {
            const points = this.drag?.points;
            this.endDrag();
            if (points && this.isDragged) {
                this.setPoints(points);
            }
        }

        endDrag() {
            this.drag = null;
            this.draw();
        }

        onPointerLeave() {
            this.pointerX = NaN;
            this.updateReadout();
        }

        onClick(event) {
            const {pixel, index} = this.locate(event);
            const isNear = distanceOutside(this.plot, pixel) < HIT_RADIUS.mouse;
            if (!this.isDragged && index < 0 && !this.error && isNear) {
                this.setPoints(addPoint(this.points, fromPixel(this.plot, pixel)));
            }
        }

        onDoubleClick(event) {
            const {index} = this.locate(event);
            if (index >= 0) {
                this.setPoints(removePoint(this.points, index));
            }
        }

        onKeyDown(event) {
            const index = [...this.handles.children].indexOf(event.target);
            const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
            if (isUndo && this.undoTexts.length) {
                this.setText(this.undoTexts.pop());
            }
            if (isUndo || (index >= 0 && this.editByKey(event, index))) {
                event.preventDefault();
            }
        }

        /** Edit the point that has the focus. Return false if the key has no meaning for a point. */
        editByKey({key, shiftKey}, index) {
            const points = this.points;
            let focusIndex = index;
            if (key in ARROWS) {
                const step = shiftKey ? 0.1 : 0.01;
                const target = points[index].map((value, axis) => value + step * ARROWS[key][axis]);
                this.setPoints(movePoint(points, index, target));
            } else if (key === "Delete" || key === "Backspace") {
                this.setPoints(removePoint(points, index));
            } else if (key === "Enter" || key === "Insert") {
                const point = midpoint(points, index);
                const added = addPoint(points, point);
                this.setPoints(added);
                focusIndex = added.indexOf(point);
            } else {
                return false;
            }
            this.handles.children[Math.min(focusIndex, this.points.length - 1)]?.focus();
            return true;
        }

        // Drawing

        draw() {
            const {points, plot, graph, box} = this;
            const isCurve = box.value.trim() !== "" || this.drag !== null;
            this.svg.classList.toggle("freeu-of-sliders", !isCurve);
            this.svg.classList.toggle("freeu-dragging", this.drag !== null);
            const text = format(points);
            for (const button of this.buttons.children) {
                button.setAttribute("aria-pressed", isCurve && text !== "" && button.value === text);
                button.disabled = !isCurve && button.value === "";
            }
            const descriptions = points.map((point) => this.describePoint(point));
            this.svg.setAttribute("aria-label", [translate(TITLE), ...descriptions].join("; "));
            if (plot.width > 0) {
                this.background.replaceChildren(...this.makeAxes(plot, graph), ...this.makeStrengths(plot, graph));
                const line = points.length ? [[0, points[0][1]], ...points, [1, points[points.length - 1][1]]] : [];
                this.line.setAttribute("points", line.map((point) => toPixel(plot, point)).join(" "));
                this.drawHandles(plot, points, descriptions);
            }
            this.updateReadout();
        }

        makeAxes(plot, {axis, ends}) {
            const [right, bottom] = toPixel(plot, [1, 0]);
            const caption = make("text", {x: (plot.left + right) / 2, y: bottom + 36}, translate(CAPTIONS[axis]));
            const gridLines = [0, 0.5, 1].flatMap((strength) => {
                const [x, y] = toPixel(plot, [0, strength]);
                const line = make("line", {class: "freeu-grid", x1: x, x2: right, y1: y, y2: y});
                return [line, make("text", {x: x - 22, y: y + 4}, String(strength))];
            });
            const tickLabels = ticks(ends, plot.width / 50).map((value) => {
                const [x] = toPixel(plot, [(value - ends[0]) / (ends[1] - ends[0] || 1), 0]);
                return make("text", {x, y: bottom + 20}, String(value));
            });
            return [...gridLines, ...tickLabels, caption];
        }

        /** Make a dot for each step or, if the number of steps is not known, a filled area. */
        makeStrengths(plot, {axis, strengths}) {
            const last = Math.max(1, strengths.length - 1);
            const pixels = strengths.map((strength, index) => toPixel(plot, [index / last, strength]));
            const [left, bottom] = toPixel(plot, [0, 0]);
            if (axis !== "step") {
                const outline = [[left, bottom], ...pixels, [left + plot.width, bottom]];
                return [make("polygon", {class: "freeu-area", points: outline.join(" ")})];
            }
            const radius = clamp(plot.width / last / 4, 1.5, 4);
            return pixels.flatMap(([x, y]) => [
                make("line", {class: "freeu-stem", x1: x, x2: x, y1: bottom, y2: y, "stroke-width": radius}),
                make("circle", {class: "freeu-dot", cx: x, cy: y, r: radius}),
            ]);
        }

        /** Update the handles. Their elements are reused, so that a handle keeps the focus while it moves. */
        drawHandles(plot, points, descriptions) {
            const {children} = this.handles;
            while (children.length > points.length) {
                this.handles.lastChild.remove();
            }
            while (children.length < points.length) {
                const attributes = {role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": 1};
                const hitArea = make("circle", {class: "freeu-reach", r: HIT_RADIUS.touch});
                this.handles.append(make("g", {class: "freeu-handle", ...attributes}, hitArea, make("circle", {r: 7})));
            }
            points.forEach((point, index) => setAttributes(children[index], {
                transform: `translate(${toPixel(plot, point)})`,
                "aria-label": translate(HANDLE_LABEL, {n: index + 1, count: points.length}),
                "aria-valuenow": point[1],
                "aria-valuetext": descriptions[index],
            }));
        }

        /** Show below the graph: the error, the strength at the pointer, or the point that has the focus. */
        updateReadout() {
            const focused = this.handles.querySelector(":focus")?.getAttribute("aria-valuetext");
            this.readout.classList.toggle("freeu-complaint", this.error !== "");
            this.readout.textContent = this.error || this.describePointer() || focused || "";
        }

        /** Describe the step nearest to the pointer; return false if the pointer is not over the graph. */
        describePointer() {
            const {strengths} = this.graph;
            const last = Math.max(1, strengths.length - 1);
            const index = Math.round(clamp((this.pointerX - this.plot.left) / this.plot.width, 0, 1) * last);
            return index in strengths && this.describePoint([index / last, strengths[index]]);
        }
    }

    onAfterUiUpdate(() => {
        gradioApp().querySelectorAll(".freeu-editor:empty").forEach((container) => new CurveEditor(container));
    });
})();
