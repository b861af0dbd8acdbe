// Compare with FreeU off: two pictures of the gallery on each other, with a slider that moves the edge between them.
//
// Which pictures belong together stands in what a job says of itself, as "FreeU look" (freeu/webui/look.py).

(function () {
    const TABS = ["txt2img", "img2img"];

    // The pairs of a job's pictures, each as places in the gallery.
    function pairsOf(generationInfo) {
        try {
            return JSON.parse(generationInfo).extra_generation_params["FreeU look"].pairs;
        } catch {
            return []; // no job yet, or one that compared nothing
        }
    }

    function make(tag, className, properties = {}) {
        return Object.assign(document.createElement(tag), {className, ...properties});
    }

    // On top is the picture with FreeU, cut off left of the edge.
    function slider(on, off) {
        const pictures = make("div", "freeu-compare-pictures");
        pictures.append(
            make("img", "", {src: off, alt: "FreeU off"}),
            make("img", "freeu-compare-on", {src: on, alt: "FreeU on"}),
            make("span", "freeu-compare-name", {textContent: "FreeU off"}),
            make("span", "freeu-compare-name", {textContent: "FreeU on"}),
        );
        const range = make("input", "", {type: "range", min: 0, max: 100, value: 50});
        range.setAttribute("aria-label", "Edge between FreeU off, left, and FreeU on, right");
        const move = () => pictures.style.setProperty("--freeu-edge", `${range.value}%`);
        range.addEventListener("input", move);
        move();
        pictures.append(range);
        return pictures;
    }

    function show(tab, gallery, pairs, sources) {
        const box = make("div", "freeu-compare", {id: `${tab}_freeu_compare`});
        box.append(...pairs.map(([on, off]) => slider(sources[on], sources[off])));
        document.getElementById(box.id)?.remove();
        if (pairs.length) {
            gallery.after(box);
        }
    }

    const shown = {};

    function update(tab) {
        const gallery = gradioApp().querySelector(`#${tab}_gallery`);
        const info = gradioApp().querySelector(`#generation_info_${tab} textarea, #generation_info_${tab} input`);
        if (!gallery || !info) {
            return;
        }
        const sources = [...gallery.querySelectorAll(".grid-wrap .thumbnail-item img")].map((image) => image.src);
        const pairs = pairsOf(info.value).filter((pair) => pair.every((place) => place < sources.length));
        const now = JSON.stringify(pairs.flat().map((place) => sources[place]));
        if (shown[tab] !== now) {
            shown[tab] = now;
            show(tab, gallery, pairs, sources);
        }
    }

    onAfterUiUpdate(() => TABS.forEach(update));
})();
