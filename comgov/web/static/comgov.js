/* Comfort only: every page works without this file. */
"use strict";

(() => {
  const body = document.body;

  /* the state of the line */
  const line = document.querySelector(".line");
  const showLine = () => {
    line.hidden = navigator.onLine;
    line.querySelector("span").textContent = navigator.onLine ? "" : line.dataset.line;
  };
  addEventListener("online", showLine);
  addEventListener("offline", showLine);
  showLine();

  /* what a page kept on this computer while its form was under way is not needed once the next one says "done" */
  const leaving = sessionStorage.getItem("leaving");
  if (leaving && document.querySelector(".notice.done")) {
    localStorage.removeItem(leaving);
    sessionStorage.removeItem("leaving");
  }

  /* one menu at a time; Escape and a click elsewhere close it */
  const menus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });

  /* of tabs that do not fit, the current one is in sight */
  for (const tab of document.querySelectorAll(".tabs [aria-current], .filters [aria-current]")) {
    const row = tab.parentElement;
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.clientWidth) / 2;
  }

  /* a list beside what is read stays where it was scrolled to */
  const column = document.querySelector("body.list main, body.reading main");
  if (column) {
    const place = `scroll:${location.pathname.split("/").slice(0, 3).join("/")}${location.search}`;
    column.scrollTop = Number(sessionStorage.getItem(place));
    addEventListener("pagehide", () => sessionStorage.setItem(place, column.scrollTop));
  }

  /* a second click sends nothing twice; the server would see to it too */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-busy", "true");
    setTimeout(() => { delete form.dataset.sent; event.submitter?.removeAttribute("aria-busy"); }, 8000);
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  /* keys: / or Ctrl K search · j k through a list · Enter opens · data-key buttons (c write, r reply …) */
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");
  const step = (by) => {
    const rows = [...document.querySelectorAll(".row > a")];
    if (!rows.length) return;
    const here = rows.indexOf(document.activeElement);
    const current = here >= 0 ? here : rows.findIndex((row) => row.parentElement.hasAttribute("aria-current"));
    rows[Math.max(0, Math.min(rows.length - 1, current + by))].focus();
  };
  const press = (key) => {
    const found = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!found) return false;
    (found.matches("form") ? found.querySelector("button") : found).click();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of menus()) menu.open = false;
    const search = document.querySelector(".finder input");
    if (search && event.key === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return search.focus();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
    else if (press(event.key)) event.preventDefault();
  });
})();
