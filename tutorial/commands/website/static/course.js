// The keyboard scrolls a box only if it can have the focus.
function focusWhatScrolls() {
    for (const box of document.querySelectorAll("pre, .output, .table-wrapper")) {
        if (box.scrollWidth > box.clientWidth) {
            box.tabIndex = 0;
        } else {
            box.removeAttribute("tabindex");
        }
    }
}

addEventListener("load", focusWhatScrolls);
addEventListener("resize", focusWhatScrolls);
