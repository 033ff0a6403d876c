/* What widgets alone cannot do: keys, names for screen readers, the room there is, clicks in tables.
   `this` is the style element that has loaded.  Python hears through a hidden field of the picker. */
(style => {
  const root = style.closest(".agn-picker");
  if (!root || root.dataset.agnReady) return;
  root.dataset.agnReady = "yes";
  root.dataset.lmSuppressShortcuts = "true";

  // Values of a field may be skipped while the kernel works: the last signals go together, numbered.
  let number = 0, recent = [];
  const send = signal => {
    const field = root.querySelector(".agn-signal input");
    if (!field) return;
    recent = [...recent.slice(-19), { ...signal, number: ++number }];
    field.value = JSON.stringify(recent);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const isDark = () => {
    for (let at = root; at; at = at.parentElement) {
      const parts = getComputedStyle(at).backgroundColor.match(/[\d.]+/g) || [0, 0, 0, 0];
      if (parts.length < 4 || parts[3] > 0.5) return (+parts[0] + +parts[1] + +parts[2]) / 3 < 128;
    }
    return false;
  };

  let told = "", waiting = 0;
  const tellRoom = () => {
    if (!root.isConnected || !root.clientWidth) return;
    // Of a notebook the part that scrolls, of a page the window.
    const within = root.closest(".jp-WindowedPanel-outer, .jp-Notebook") || document.documentElement;
    const seen = Math.min(within.clientHeight || innerHeight, innerHeight);
    const room = { width: root.clientWidth, height: seen, dark: isDark() };
    root.classList.toggle("agn-dark", room.dark);
    if (JSON.stringify(room) === told) return;
    told = JSON.stringify(room);
    send({ kind: "room", ...room });
  };
  const tellSoon = () => { clearTimeout(waiting); waiting = setTimeout(tellRoom, 120); };
  new ResizeObserver(tellSoon).observe(root);
  addEventListener("resize", tellSoon);
  const themes = new MutationObserver(tellSoon);
  for (const part of [document.documentElement, document.body])
    themes.observe(part, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "style"] });

  const stages = { "agn-map": "Map of the spectra", "agn-spectrum": "Spectrum and its map" };
  const nameParts = () => {
    const message = root.querySelector(".agn-message");
    for (const [kind, words] of Object.entries(stages)) {
      const stage = root.querySelector(`.agn-stage.${kind}`);
      if (!stage) continue;
      stage.tabIndex = 0;
      stage.setAttribute("role", "group");
      stage.setAttribute("aria-label", `${words}; arrow keys step, question mark lists all keys`);
      const [picture, cover] = stage.querySelectorAll("canvas");
      if (picture) {
        picture.setAttribute("role", "img");
        picture.setAttribute("aria-label", `${words}: ${message ? message.innerText : ""}`);
        cover.setAttribute("aria-hidden", "true");
      }
    }
    for (const box of root.querySelectorAll(".widget-slider")) {
      const words = (box.querySelector(".widget-label") || box).innerText.trim();
      for (const handle of box.querySelectorAll(".noUi-handle, .widget-readout"))
        if (handle.getAttribute("aria-label") !== words) handle.setAttribute("aria-label", words);
      const readout = box.querySelector(".widget-readout");
      if (readout) readout.setAttribute("role", "textbox");
    }
    for (const part of root.querySelectorAll("button[title]"))
      if (!part.innerText.trim()) part.setAttribute("aria-label", part.title);
    for (const field of root.querySelectorAll("input, select, textarea")) {
      const label = field.id && root.querySelector(`label[for="${field.id}"]`);
      const words = (label && label.innerText.trim()) || field.placeholder || field.title ||
        (field.closest("[title]") || {}).title;
      if (words && field.getAttribute("aria-label") !== words) field.setAttribute("aria-label", words);
    }
  };
  let naming = 0;
  new MutationObserver(() => { clearTimeout(naming); naming = setTimeout(nameParts, 60); })
    .observe(root, { childList: true, subtree: true });

  const typing = "input, select, textarea, [contenteditable=true], .noUi-handle, [role=tab], pre";
  const keys = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Escape",
                "n", "p", "+", "-", "0", "?"];
  root.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches(typing)) return;
    if (event.key === "/") root.querySelector(".agn-search input").focus();
    else if (keys.includes(event.key)) send({ kind: "key", key: event.key });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener("pointerdown", event => {
    const stage = event.target.closest(".agn-stage");
    if (stage) stage.focus({ preventScroll: true });
  });
  root.addEventListener("click", event => {
    const button = event.target.closest("[data-agn-pick], [data-agn-sort], [data-agn-try]");
    if (!button) return;
    const { agnPick, agnSort, agnTry, agnAmount } = button.dataset;
    if (agnPick !== undefined) send({ kind: "pick", name: agnPick });
    else if (agnSort !== undefined) send({ kind: "sort", column: agnSort });
    else send({ kind: "try", concept: agnTry, amount: +agnAmount });
  });
  nameParts();
  tellRoom();
})(this);
