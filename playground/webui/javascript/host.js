// Functions of AUTOMATIC1111's script.js and ui.js that extensions call, tooltips, and checkboxes in accordion labels.

function gradioApp() {
    return document;
}

// Notify gradio that a script has changed an input.
function updateInput(input) {
    input.dispatchEvent(new Event("input", {bubbles: true}));
}

const uiLoaded = [];
const uiUpdated = [];

function onUiLoaded(callback) {
    uiLoaded.push(callback);
}

function onUiUpdate(callback) {
    uiUpdated.push(callback);
}

function onAfterUiUpdate(callback) {
    uiUpdated.push(callback);
}

function callAll(callbacks, ...values) {
    for (const callback of callbacks) {
        try {
            callback(...values);
        } catch (error) {
            console.error(error);
        }
    }
}

let loaded = false;

new MutationObserver((mutations) => {
    if (!document.getElementById("txt2img_prompt")) {
        return;
    }
    if (!loaded) {
        loaded = true;
        callAll(uiLoaded);
    }
    callAll(uiUpdated, mutations);
}).observe(document, {childList: true, subtree: true});

function switchTo(tab) {
    const buttons = [...document.querySelectorAll("#tabs > .tab-nav button")];
    buttons.find((button) => button.textContent.trim() === tab)?.click();
    return [];
}

function setTooltips() {
    for (const [id, text] of Object.entries(window.webuiTooltips || {})) {
        const element = document.getElementById(id);
        if (element && element.title !== text) {
            element.title = text;
        }
    }
}

onUiUpdate(setTooltips);

// Set the visible checkbox of an InputAccordion to the value of the hidden one.
function inputAccordionChecked(id, on) {
    const visible = document.getElementById(`${id}-visible-checkbox`);
    if (visible && visible.checked !== on) {
        visible.checked = on;
        visible.onchange();
    }
    return [];
}

function setUpAccordion(accordion) {
    const label = accordion.querySelector(".label-wrap");
    const hidden = document.querySelector(`#${accordion.id}-checkbox input`);
    if (!label || !hidden || document.getElementById(`${accordion.id}-visible-checkbox`)) {
        return;
    }
    const isOpen = () => label.classList.contains("open");
    const visible = document.createElement("input");
    visible.type = "checkbox";
    visible.id = `${accordion.id}-visible-checkbox`;
    visible.className = "input-accordion-checkbox";
    visible.checked = hidden.checked;

    // Until the checkbox itself is clicked, a checked accordion is open and an unchecked one is closed.
    let linked = true;
    visible.onchange = () => {
        if (linked && isOpen() !== visible.checked) {
            label.click();
        }
        if (hidden.checked !== visible.checked) {
            hidden.click();
        }
    };
    visible.addEventListener("click", (event) => {
        linked = false;
        event.stopPropagation();
    });
    new MutationObserver(() => {
        if (linked && visible.checked !== isOpen()) {
            visible.checked = isOpen();
            visible.onchange();
        }
    }).observe(label, {attributes: true, attributeFilter: ["class"]});
    label.querySelector("span").prepend(visible);
}

onUiUpdate(() => document.querySelectorAll(".input-accordion").forEach(setUpAccordion));
