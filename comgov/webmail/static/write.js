/* Writing: keep what is typed, on the server or, when the line is down, on this computer; show how files go up. */
"use strict";

(() => {
  const form = document.getElementById("write");
  const kept = form.querySelector(".kept");
  const key = `draft:${document.body.dataset.person}:${form.action.split("/").pop()}`;
  const fields = ["sender", "to", "cc", "bcc", "subject", "text"];
  const typed = () => Object.fromEntries(fields.map((name) => [name, form.elements[name]?.value ?? ""]));
  let before = JSON.stringify(typed());
  let timer = 0;
  let leaving = false;

  const storage = {
    get: () => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (value) => { try { localStorage.setItem(key, value); return true; } catch { return false; } },
    drop: () => { try { localStorage.removeItem(key); } catch { /* there is none */ } },
  };

  const local = storage.get();
  if (local === before) storage.drop();
  else if (local) {
    for (const [name, value] of Object.entries(JSON.parse(local))) {
      if (form.elements[name]) form.elements[name].value = value;
    }
    document.querySelector(".restored").hidden = false;
  }

  const save = async () => {
    const now = JSON.stringify(typed());
    if (leaving || now === before) return;
    const data = new URLSearchParams(typed());
    data.set("do", "autosave");
    if (form.elements.reply) data.set("reply", form.elements.reply.value);
    try {
      const response = await fetch(form.action, {
        method: "POST",
        body: data,
        headers: { "X-CSRF-Token": document.body.dataset.csrf, Accept: "application/json" },
        redirect: "error",
      });
      if (!response.ok) throw new Error(response.status);
      before = now;
      storage.drop();
      kept.textContent = `${form.dataset.saved} ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
    } catch {
      if (storage.set(now)) kept.textContent = form.dataset.local;
      clearTimeout(timer);
      timer = setTimeout(save, 15000);
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(save, 2000);
  });
  addEventListener("online", save);
  addEventListener("pagehide", () => { if (!leaving && JSON.stringify(typed()) !== before) storage.set(JSON.stringify(typed())); });

  /* files: refuse what is too large before it travels, then show how far it is */
  const picker = form.elements.file;
  const progress = form.querySelector("progress");
  const tooLarge = () => [...picker.files].reduce((sum, file) => sum + file.size, 0) > Number(form.dataset.limit);
  picker.addEventListener("change", () => {
    picker.setCustomValidity(tooLarge() ? form.dataset.tooLarge : "");
    if (picker.reportValidity() && picker.files.length) form.querySelector('button[value="attach"]').click();
  });
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return;
    leaving = true;
    clearTimeout(timer);
    if (storage.set(JSON.stringify(typed()))) sessionStorage.setItem("leaving", key); /* forgotten once it is done */
    if (!picker.files.length) return;
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (step) => {
      progress.hidden = false;
      progress.value = step.total ? (100 * step.loaded) / step.total : 0;
      kept.textContent = `${form.dataset.sending} ${Math.round(progress.value)} %`;
    });
    request.addEventListener("load", () => {
      if (request.status < 400) return location.assign(request.responseURL);
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      document.querySelector("main").replaceWith(page.querySelector("main"));
      document.querySelector("main").focus();
    });
    request.addEventListener("error", () => {
      leaving = false;
      delete form.dataset.sent;
      progress.hidden = true;
      save();
      kept.textContent = form.dataset.local;
    });
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.send(data);
  });
})();
