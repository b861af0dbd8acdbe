// The comparison slider: below the gallery, each image with FreeU over the same image without it, and a slider that
// moves the divider between them.
//
// Which images belong together is in the job's generation info, under "FreeU diagnostics" (freeu/webui/diagnostics.py).

(() => {
    "use strict";

    const TABS = ["txt2img", "img2img"];
    const shownSources = {}; // by tab: the image addresses of the sliders on the page

    /** Return the gallery index of each image with FreeU, and of the same image without it. */
    function parsePairs(generationInfo) {
        try {
            return JSON.parse(generationInfo).extra_generation_params["FreeU diagnostics"].pairs;
        } catch {
            return []; // no job yet, or a job without a comparison
        }
    }

    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

    function makeSlider(onSource, offSource) {
        const slider = make("div", {className: "freeu-compare-pictures"});
        const range = make("input", {type: "range", min: 0, max: 100, value: 50});
        range.setAttribute("aria-label", "Divider between FreeU off (left) and FreeU on (right)");
        const moveDivider = () => slider.style.setProperty("--freeu-edge", `${range.value}%`);
        range.addEventListener("input", moveDivider);
        moveDivider();
        slider.append(
            make("img", {src: offSource, alt: "FreeU off"}),
            make("img", {src: onSource, alt: "FreeU on", className: "freeu-compare-on"}),
            make("span", {textContent: "FreeU off", className: "freeu-compare-name"}),
            make("span", {textContent: "FreeU on", className: "freeu-compare-name"}),
            range,
        );
        return slider;
    }

    /** Replace the sliders of a tab if its gallery has other images than before. */
    function update(tab) {
        const gallery = gradioApp().querySelector(`#${tab}_gallery`);
        const info = gradioApp().querySelector(`#generation_info_${tab} :is(textarea, input)`);
        if (!gallery || !info) {
            return;
        }
        const images = [...gallery.querySelectorAll(".grid-wrap .thumbnail-item img")];
        const pairs = parsePairs(info.value).filter((pair) => pair.every((index) => index < images.length));
        const sources = pairs.map((pair) => pair.map((index) => images[index].src));
        if (shownSources[tab] === JSON.stringify(sources)) {
            return;
        }
        shownSources[tab] = JSON.stringify(sources);
        const id = `${tab}_freeu_compare`;
        document.getElementById(id)?.remove();
        if (sources.length) {
            const box = make("div", {id, className: "freeu-compare"});
            box.append(...sources.map(([onSource, offSource]) => makeSlider(onSource, offSource)));
            gallery.after(box);
        }
    }

    onAfterUiUpdate(() => TABS.forEach(update));
})();
