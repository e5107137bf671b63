/* Comfort only: sends files one after the other and shows how far they are. Without it the form does the same. */
"use strict";

(() => {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const words = form.dataset;
  const input = form.querySelector("input[type=file]");
  const list = form.querySelector(".sending");
  const say = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  let busy = false;

  const size = (bytes) => {
    const units = words.units.split(" ");
    let unit = 0;
    while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
    const digits = unit && bytes < 9.95 ? 1 : 0;
    return `${bytes.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits })}\u00a0${units[unit]}`;
  };
  const time = (seconds) =>
    seconds < 90 ? say(words.seconds, { seconds: Math.ceil(seconds) }) : say(words.minutes, { minutes: Math.ceil(seconds / 60) });

  const send = (file) => new Promise((done) => {
    const item = list.appendChild(document.createElement("li"));
    const text = item.appendChild(document.createElement("span"));
    const bar = item.appendChild(document.createElement("progress"));
    text.textContent = file.name;
    bar.max = file.size || 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    const request = new XMLHttpRequest();
    const started = performance.now();
    const end = (sentence, isKept) => { text.textContent = sentence; bar.remove(); done(isKept); };
    request.upload.onprogress = (event) => {
      bar.value = event.loaded;
      const rate = event.loaded / ((performance.now() - started) / 1000);
      text.textContent = say(words.sending, {
        name: file.name, done: size(event.loaded), total: size(file.size), rate: size(rate), left: time((file.size - event.loaded) / rate),
      });
    };
    request.onload = () => {
      if (request.status < 300) return end(say(words.kept, { name: file.name }), true);
      let sentence = "";
      try { sentence = JSON.parse(request.response).error; } catch { /* not ours: the usual sentence */ }
      return end(sentence ? `${file.name}: ${sentence}` : say(words.broken, { name: file.name }), false);
    };
    request.onerror = request.onabort = () => end(say(words.broken, { name: file.name }), false);
    request.open("PUT", words.upload + encodeURIComponent(file.name));
    request.setRequestHeader("X-CSRF-Token", document.body.dataset.csrf);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });

  const sendAll = async (files) => {
    busy = true;
    list.hidden = false;
    list.textContent = "";
    let allKept = true;
    for (const file of files) allKept = (await send(file)) && allKept;
    busy = false;
    if (allKept) location.reload();
  };

  form.addEventListener("submit", (event) => {
    if (busy || !input.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    sendAll([...input.files]);
    input.value = "";
  });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
})();
