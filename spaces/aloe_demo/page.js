// What the page does without asking the server: addresses of tabs, the conversation that plays by itself, sentences to click.
// Everything is found anew each time, since Gradio writes its HTML anew whenever it changes.
window.aloe = (() => {
  // Gradio keeps a BrowserState for all tabs of a browser; what this page keeps is of one tab, and outlives a reload of it alone.
  for (const name of ["getItem", "setItem"]) {
    const original = Storage.prototype[name];
    Storage.prototype[name] = function (key, ...rest) {
      return original.call(String(key).startsWith("aloe-") ? sessionStorage : this, key, ...rest);
    };
  }

  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const slug = (tab) => tab.textContent.trim().toLowerCase().replace(/\W+/g, "-");
  const address = (hash, search = location.search) => history.replaceState(null, "", location.pathname + search + hash);

  // Tabs: #watch, #chat, … ; a turn of a conversation is part of its tab.
  const TAB = "#tabs [role=tab], #tabs .overflow-dropdown button";  // on a phone the last ones are in a menu
  const tabs = () => all(TAB);
  const inTab = (hash) => hash.startsWith("#turn-") ? "#watch" : hash.startsWith("#message-") ? "#chat" : hash;
  const openTab = () => {
    const wanted = tabs().find((tab) => "#" + slug(tab) === inTab(location.hash));
    if (wanted && wanted.getAttribute("aria-selected") !== "true") wanted.click();
  };

  // The player of Watch shows one turn at a time; `at` is that turn, `follows` whether it moves on by itself.
  const PAUSE = 3500;
  let at = 1, follows = !calm(), shown = "", timer = 0, wentLive = false;
  const player = () => one("#watch .player");
  const told = (element) => Number(element.dataset.told ?? element.dataset.turn);
  const opened = new Set();  // what a visitor unfolded stays so while replies grow
  const folds = (details) => `${details.closest("section")?.id} ${one("summary", details).textContent}`;
  const draw = () => {
    const here = player(), done = Number(here?.dataset.done ?? 0);
    if (!here) return;
    all("details", here).forEach((details) => { details.open = opened.has(folds(details)); });
    if (here.dataset.watch !== shown) {
      shown = here.dataset.watch;
      if (here.dataset.live === "true") [at, follows] = [1, true];
    }
    if (follows && here.dataset.live === "true") at = done;
    at = Math.max(1, Math.min(at, done));
    all("[data-only]", here).forEach((turn) => { turn.hidden = Number(turn.dataset.only) !== at; });
    all("[data-told], .plot [data-turn]", here).forEach((part) => part.classList.toggle("later", told(part) > at));
    all(".plot a", here).forEach((column) => {
      if (told(column) === at) column.setAttribute("aria-current", "true"); else column.removeAttribute("aria-current");
    });
    const label = done ? `turn ${at} of ${here.dataset.turns}` : "";
    if (one("#turn-now").textContent !== label) one("#turn-now").textContent = label;
    one("[data-do=back]").disabled = at <= 1;
    one("[data-do=on]").disabled = at >= done;
    one("[data-do=play]").textContent = follows ? "Pause" : "Play";
  };
  const grow = () => {
    const slots = all(".turn", player()).at(-1)?.querySelectorAll(".reply") ?? [];
    all("#growing p").forEach(({ textContent: text }, side) => {
      const slot = slots[side] && one(".grows", slots[side]);
      if (slot && text.length > slot.textContent.length) slot.textContent = text;
    });
  };
  const go = (turn, moves = false) => { at = turn; follows = moves; draw(); };
  const visible = () => one("#watch")?.offsetParent && document.visibilityState === "visible";
  const tick = () => {
    const here = player();
    if (!here || !follows || here.dataset.live === "true" || !visible()) return;
    if (at < Number(here.dataset.done)) return go(at + 1, true);
    go(at);
    // The recording is over: the models of this page go on, where that costs nobody anything.
    if (one("#controls .bar").dataset.byItself === "true" && !wentLive) one("#live").click();
    wentLive = true;
  };

  const flash = (element) => {
    element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    element.classList.add("flash");
    setTimeout(() => element.classList.remove("flash"), 1600);
  };
  const write = (chip) => {
    const panel = chip.closest("[role=tabpanel]"), box = one(".composer textarea", panel);
    box.value = chip.classList.contains("whole") ? chip.textContent : `${box.value} ${chip.textContent}`.trim();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  };
  addEventListener("click", (event) => {
    const find = (selector) => event.target.closest?.(selector);
    const chip = find(".chip"), tab = find(TAB), turn = find("a[href^='#turn-']"), message = find("a[href^='#message-']");
    const does = find("[data-do]")?.dataset.do;
    if (chip) write(chip);
    const fold = find("#watch summary")?.parentElement;
    if (fold) opened[fold.open ? "delete" : "add"](folds(fold));
    if (tab && event.isTrusted) history.pushState(null, "", location.pathname + location.search + "#" + slug(tab));
    if (turn || message) event.preventDefault();
    const leads = (turn || message)?.getAttribute("href");  // a link in an SVG has no other form
    if (turn) {
      go(Number(leads.slice("#turn-".length)));
      address(leads);
      flash(one(`${leads} ${turn.matches(".used") ? ".user" : ""}`));
    }
    if (message) flash(one(`${leads} .user`));
    if (does === "back") go(at - 1);
    if (does === "on") go(at + 1);
    if (does === "play") {
      const ended = at >= Number(player().dataset.done) && player().dataset.live !== "true";
      go(ended && !follows ? 1 : at, !follows);
    }
  });

  // New replies: scrolled into view, and told once, when they are whole, to whoever cannot see them.
  let seen = "";
  const tellReplies = (id) => {
    const number = all(`#${id} .turn`).length, last = all(`#${id} .turn`).at(-1);
    const whole = last && !one(".dots", last), replies = whole ? all(".reply", last) : [];
    const state = [id, number, whole, replies.length].join();
    if (last && seen !== state) {
      last.style.scrollMarginBottom = `${one(".composer", last.closest("[role=tabpanel]")).offsetHeight + 8}px`;
      last.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    }
    seen = state;
    const text = replies.map((reply) => `${one(".who", reply).innerText}: ${one(".text", reply)?.innerText ?? ""}`).join(" ");
    if (one("#told").textContent !== text) one("#told").textContent = text;
  };
  // A button that was just pressed may be written anew: who came by keyboard goes on from it.
  let pressed = "";
  addEventListener("click", (event) => { pressed = event.target.closest?.("[data-pick]")?.dataset.pick ?? ""; });
  const refocus = () => { if (pressed && document.activeElement === document.body) one(`#talk [data-pick="${pressed}"]`)?.focus(); };

  const start = () => {
    if (!one("#tabs [role=tab]") || !player()) return setTimeout(start, 50);
    document.body.append(Object.assign(document.createElement("div"), { id: "told", role: "status", className: "unseen" }));
    const observed = (element, act) => new MutationObserver(act).observe(element, { childList: true, characterData: true, subtree: true });
    observed(one("#watch"), () => { draw(); grow(); });
    observed(one("#growing"), grow);
    const turn = /^#turn-(\d+)$/.exec(location.hash);
    if (turn) [at, follows] = [Number(turn[1]), false];
    else if (calm()) at = Infinity;
    openTab();
    addEventListener("popstate", openTab);
    draw();
    timer = setInterval(tick, PAUSE);
    const chats = () => {
      for (const id of ["talk", "blind"])
        if (one(`#${id}`) && !one(`#${id}`).dataset.observed) {
          one(`#${id}`).dataset.observed = "true";
          observed(one(`#${id}`), () => { tellReplies(id); refocus(); });
          const notice = one(".composer .notice", one(`#${id}`).closest("[role=tabpanel]"));
          // Twice: what comes with it, such as other sentences to click, may move it out of sight again.
          const show = () => one(".answer", notice)?.closest(".composer").scrollIntoView({ block: "nearest" });
          observed(notice, () => { show(); setTimeout(show, 300); });
          show();  // who is quick has been answered before this is looked at
        }
      setTimeout(chats, 500);
    };
    chats();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start); else start();
  return { persona: (place) => address(location.hash, `?persona=${place}`) };
})();
