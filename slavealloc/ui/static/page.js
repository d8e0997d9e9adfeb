// What the pages do beside htmx: `/` finds the search, tables of checkboxes count and range.
"use strict";

(() => {
  const isTyping = (element) => element.closest("input:not([type=checkbox]), textarea, select");

  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && search && !isTyping(event.target) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  // htmx changes the address without a new page: a login leads back to what is shown then.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-login]");
    if (link) link.href = `/ui/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  });

  const boxesOf = (form) => [...document.querySelectorAll(`input[type=checkbox][name=id][form=${form}]`)];
  let last = null;

  // Says how many are chosen, and lets only a form with something to do be sent.
  const count = (form) => {
    const boxes = boxesOf(form);
    const chosen = boxes.filter((box) => box.checked).length;
    const page = document.querySelector(`[data-choose-page=${form}]`);
    const all = document.querySelector(`input[name=all][form=${form}]`);
    if (page) {
      page.checked = boxes.length > 0 && chosen === boxes.length;
      page.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    const said = document.querySelector(`[data-chosen=${form}]`);
    if (said) {
      const text = all && all.checked ? `all ${all.dataset.count}` : chosen.toLocaleString("en");
      said.textContent = `${text} selected`;
    }
  };

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.name !== "id") return;
    const boxes = boxesOf(box.getAttribute("form"));
    if (event.shiftKey && last && boxes.includes(last)) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
    }
    last = box;
    count(box.getAttribute("form"));
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    const form = box.dataset.choosePage;
    if (form) boxesOf(form).forEach((each) => { each.checked = box.checked; });
    const counted = form || (box.name === "all" && box.getAttribute("form"));
    if (counted) count(counted);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target.getAttribute("id"); // .id would be the checkboxes of that name
    const said = form && document.querySelector(`[data-chosen=${form}]`);
    const all = form && document.querySelector(`input[name=all][form=${form}]`);
    if (said && !boxesOf(form).some((box) => box.checked) && !(all && all.checked)) {
      event.preventDefault();
      said.textContent = "Select a worker first";
    }
  });

  // Else old rows would stand there as if they were what was just asked for.
  const say = () => {
    const said = document.querySelector("#count");
    if (said) said.textContent = "not up to date: the server gave no answer";
  };
  document.addEventListener("htmx:responseError", say);
  document.addEventListener("htmx:sendError", say);

  const countAll = () => document.querySelectorAll("[data-chosen]").forEach((each) => count(each.dataset.chosen));
  document.addEventListener("htmx:afterSettle", countAll);
  window.addEventListener("pageshow", countAll);
})();
