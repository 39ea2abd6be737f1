(function (root) {
  "use strict";
  if (!root || root.classList.contains("cw-on")) return;
  const all = (selector) => Array.from(root.querySelectorAll(selector));
  const one = (selector) => root.querySelector(selector);

  function player() {
    const slider = one("input"), frames = all(".cw-frame"), [back, next] = all("button");
    const labels = frames.map((frame) => frame.querySelector(".cw-label").textContent);
    function show() {
      const i = Number(slider.value);
      frames.forEach((frame, k) => frame.classList.toggle("cw-shown", k === i));
      slider.setAttribute("aria-valuetext", labels[i]);
      one(".cw-value").textContent = labels[i] + " (" + (i + 1) + " of " + frames.length + ")";
      back.disabled = i === 0;
      next.disabled = i === frames.length - 1;
    }
    const step = (by) => () => { slider.value = Number(slider.value) + by; show(); };
    slider.addEventListener("input", show);
    back.addEventListener("click", step(-1));
    next.addEventListener("click", step(1));
    show();
  }

  function compare() {
    const slider = one("input"), pair = one(".cw-pair");
    const [before, after] = all(".cw-sides > span").map((side) => side.textContent);
    function show() {
      const cut = Number(slider.value);
      root.style.setProperty("--cw-cut", cut + "%");
      slider.setAttribute("aria-valuetext", cut + " % " + before + ", " + (100 - cut) + " % " + after);
    }
    function drag(event) {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = pair.getBoundingClientRect();
      slider.value = Math.round((100 * (event.clientX - box.left)) / box.width);
      show();
      event.preventDefault();
    }
    slider.addEventListener("input", show);
    pair.addEventListener("pointerdown", drag);
    pair.addEventListener("pointermove", drag);
    show();
  }

  function chooser() {
    const data = JSON.parse(one("script[type='application/json']").textContent);
    const query = one("select"), rates = all("input[type=radio]"), cells = all(".cw-row > *");
    function show(event) {
      const rate = rates.findIndex((radio) => radio.checked);
      const view = data.views[query.selectedIndex][rate];
      cells.forEach((cell, k) => {
        const shown = view.cells[k];
        cell.hidden = !shown;
        if (!shown) return;
        cell.querySelector("img").src = data.images[shown.image];
        cell.querySelector("img").alt = shown.alt;
        cell.querySelector(".cw-label").textContent = shown.label;
        cell.className = shown.mark;
      });
      if (event) one(".cw-feedback").textContent = view.note;
    }
    query.addEventListener("change", show);
    rates.forEach((radio) => radio.addEventListener("change", show));
    show();
    one(".cw-feedback").textContent = data.views[query.selectedIndex][rates.findIndex((radio) => radio.checked)].note;
  }

  function explorer() {
    const knobs = all("fieldset").map((group) => Array.from(group.querySelectorAll("input")));
    const frames = all(".cw-frame"), said = one(".cw-feedback");
    function show() {
      const i = knobs.reduce((place, radios) => place * radios.length + radios.findIndex((radio) => radio.checked), 0);
      frames.forEach((frame, k) => frame.classList.toggle("cw-shown", k === i));
      said.textContent = frames[i].querySelector(".cw-label").textContent;
    }
    knobs.flat().forEach((radio) => radio.addEventListener("change", show));
    show();
  }

  function filtered_list() {
    const radios = all("input[type=radio]"), entries = all(".cw-entry");
    function show() {
      const kind = radios.find((radio) => radio.checked).value;
      entries.forEach((entry) => { entry.hidden = kind !== "" && entry.dataset.kind !== kind; });
      one(".cw-feedback").textContent = entries.filter((entry) => !entry.hidden).length + " of " + entries.length + " shown";
    }
    radios.forEach((radio) => radio.addEventListener("change", show));
    show();
  }

  function quiz() {
    const key = 0x5a, bytes = Uint8Array.from(atob(root.dataset.sealed), (c) => c.charCodeAt(0) ^ key);
    const sealed = JSON.parse(new TextDecoder().decode(bytes)), feedback = one(".cw-feedback");
    all(".cw-answers button").forEach((button, k) => {
      button.addEventListener("click", () => {
        const right = k === sealed.correct;
        button.classList.add(right ? "cw-right" : "cw-wrong");
        button.querySelector(".cw-sign").textContent = right ? " ✓" : " ✗";
        const hint = sealed.feedback[k] || (right ? "" : "Try another one.");
        feedback.textContent = (right ? "✓ Right. " : "✗ Not this one. ") + hint + (right ? " " + sealed.explanation : "");
      });
    });
  }

  ({ player, compare, chooser, explorer, quiz, filtered_list })[root.dataset.kind]();
  root.classList.add("cw-on");
  all(".cw-controls[hidden]").forEach((controls) => { controls.hidden = false; });
})(document.getElementById("__ID__"));
