"use strict";
// Without this script the page shows all slides, one below the other, with their notes.
const slides = [...document.querySelectorAll("section")];
let current = 0;
let speaker = null;

function fit(content) {
    // The letters shrink until all of it is seen.
    for (let size = 28; size >= 12; size--) {
        content.style.setProperty("--size", `${size}px`);
        if (content.scrollHeight <= content.clientHeight && content.scrollWidth <= content.clientWidth) return;
    }
}

function show(number, revealed) {
    current = Math.min(Math.max(number, 0), slides.length - 1);
    slides.forEach((slide, index) => slide.classList.toggle("current", index === current));
    const slide = slides[current];
    const answer = slide.querySelector(".answer");
    if (answer) answer.classList.remove("waiting"); // its size counts too
    fit(slide.querySelector(".content"));
    if (answer) answer.classList.toggle("waiting", !revealed);
    history.replaceState(null, "", `#${slide.id}`);
    document.getElementById("help").dataset.number = `${current + 1}`;
    tell();
}

function next() {
    const waiting = slides[current].querySelector(".answer.waiting");
    if (waiting) waiting.classList.remove("waiting");
    else if (current + 1 < slides.length) show(current + 1, false);
}

function back() {
    if (current > 0) show(current - 1, true);
}

function tell() {
    if (!speaker || speaker.closed) return;
    const slide = slides[current];
    const text = speaker.document.body;
    text.innerHTML = slide.querySelector(".notes").innerHTML || "<p>Nothing to say but what is shown.</p>";
    const coming = speaker.document.createElement("p");
    coming.textContent = `${current + 1} of ${slides.length}. Next: ${slide.dataset.coming}`;
    text.prepend(coming);
}

function openNotes() {
    speaker = window.open("", "notes", "width=700,height=600");
    if (!speaker) return;
    speaker.document.title = "Speaker notes";
    speaker.document.body.style.cssText = "font: 20px/1.5 Helvetica, Arial, sans-serif; margin: 1.5em;";
    tell();
}

const KEYS = {
    ArrowRight: next, PageDown: next, " ": next, ArrowLeft: back, PageUp: back,
    Home: () => show(0, false), End: () => show(slides.length - 1, true), s: openNotes, S: openNotes,
};

document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
});
window.addEventListener("resize", () => show(current, true));
document.body.classList.add("shown");
show(slides.findIndex((slide) => `#${slide.id}` === location.hash), false);
