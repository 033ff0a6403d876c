// One spectrum at a time: state (a row) -> view. Names are written as text, never as markup.
"use strict";
(async () => {
  Bokeh.set_log_level("warn");
  const read = (id) => document.getElementById(id);
  const data = JSON.parse(read("data").textContent);
  const slices = { flux: read("flux").textContent, values: read("values").textContent };
  const n = data.names.length, nGrid = data.grid.length;

  function decode(which, row) {
    const length = data.n_slice[which === "flux" ? 0 : 1];
    const raw = atob(slices[which].substr(row * length, length));
    const bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return which === "flux" ? new Uint16Array(bytes.buffer, 0, nGrid) : new Int8Array(bytes.buffer, 0, nGrid);
  }

  const models = {};
  for (const item of JSON.parse(read("figures").textContent)) {
    const manager = await Bokeh.embed.embed_item(item, item.target_id);
    models[item.target_id] = [...manager][0].model.document;
  }
  const find = (place, name) => models[place].get_model_by_name(name);
  const source = { ring: find("map", "ring") };
  for (const name of ["painted", "outline", "pixels", "lines"]) source[name] = find("spectrum", name);
  const range = find("spectrum", "flux range");

  const best = data.names.map((_, k) => Math.max(...Object.values(data.probability).map((p) => p[k] ?? 0)));
  const isWrong = (k) => data.label[k] !== "" && data.label[k] !== data.predicted[k];
  const filters = {
    all: () => true, wrong: isWrong, test: (k) => data.part[k] === "test", doubt: (k) => data.doubts[k] !== "",
  };
  let row = -1, shown = [], palette;

  // Figures wear the colours of the page, which follow the reader's choice of light or dark.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function dress() {
    const style = getComputedStyle(document.documentElement);
    const [ground, ink, soft] = ["--ground", "--ink", "--soft"].map((name) => style.getPropertyValue(name).trim());
    palette = data.palettes[dark.matches ? 1 : 0];
    for (const figure of [find("map", "map"), find("spectrum", "spectrum"), find("spectrum", "strip")]) {
      figure.setv({ background_fill_color: ground, border_fill_color: ground });
      for (const part of [...figure.left, ...figure.below]) {
        if ("label_text_color" in part.properties) part.setv({ label_text_color: ink, background_fill_color: ground });
        else part.setv({ axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: soft,
          major_tick_line_color: soft, minor_tick_line_color: soft });
      }
    }
    for (const name of Object.keys(data.types)) find("map", `marks ${name}`).glyph.line_color = ground;
    find("map", "ring mark").glyph.line_color = ink;
    find("spectrum", "line marks").glyph.line_color = soft;
    find("spectrum", "line words").glyph.text_color = soft;
    read("bar").style.background = `linear-gradient(to right, ${palette.filter((_, k) => k < 255 && k % 2 === 0).join(",")})`;
    if (row >= 0) paint(row);
  }

  function list() {
    shown = [...Array(n).keys()].filter(filters[read("filter").value]);
    if (read("order").value === "unsure") shown.sort((a, b) => best[a] - best[b]);
    count();
  }
  function count() {
    const place = shown.indexOf(row);
    read("count").textContent = place < 0 ? `${shown.length} spectra` : `${place + 1} of ${shown.length}`;
  }
  function step(by) {
    if (!shown.length) return;
    const place = shown.indexOf(row);
    pick(shown[place < 0 ? 0 : (place + by + shown.length) % shown.length]);
  }

  const colour = (share) => palette[Math.round(127 + 127 * Math.max(-1, Math.min(1, share)))];

  function paint(k) {
    const raw = decode("flux", k), small = decode("values", k);
    const width = data.high[k] - data.low[k], scale = data.scale[k], x = data.grid;
    const flux = Array.from(raw, (value) => data.low[k] + value / 65535 * width);
    const seen = Array.from(small, (value) => value !== data.unobserved);
    const value = Array.from(small, (each, i) => seen[i] ? each / 127 * data.largest[k] : 0);
    const paints = value.map((each, i) =>
      seen[i] && Math.abs(each) >= data.floor ? colour(each / scale) : palette[255]);
    const x0 = x.slice(0, -1), x1 = x.slice(1), y0 = flux.slice(0, -1), y1 = flux.slice(1);
    source.outline.data = { x, y: flux };
    source.painted.data = { x0, y0, x1, y1, colour: paints.slice(0, -1) };
    const pixels = { x, flux, value, colour: paints, zero: x.map(() => 0),
      height: value.map((each) => Math.max(-1, Math.min(1, each / scale))) };
    source.pixels.data = pixels;
    const [bottom, top] = [data.bottom[k], data.top[k]];
    range.start = bottom; range.end = top;
    source.lines.data = { ...source.lines.data, bottom: data.lines.map(() => bottom), top: data.lines.map(() => top) };
    const peak = Math.max(...flux);
    const blind = seen.filter((each) => !each).length / nGrid;
    read("note").textContent = [
      peak > top ? `The highest line leaves the frame; its peak is ${peak.toFixed(1)}.` : "",
      scale < data.floor ? "Nothing is coloured: no flux here would move the probability by anything worth a colour." : "",
      blind ? `Grey: not observed (${(100 * blind).toFixed(1)} % of the wavelengths).` : "",
    ].filter(Boolean).join(" ");
    read("scale").textContent = `full colour at ±${scale.toPrecision(2)} (${data.quantity}, P(${data.target[k]}))`;
  }

  function badge(text, doubt) {
    const span = document.createElement("span");
    span.className = doubt ? "badge doubt" : "badge";
    span.textContent = text;
    return span;
  }
  function describe(k) {
    const label = data.label[k];
    const known = !label ? "" : label === data.predicted[k] ? ", as labelled" : `; its label is ${label}`;
    read("verdict").textContent = `${data.names[k]}: predicted ${data.predicted[k]}, P = ${best[k].toFixed(3)}${known}.`;
    const details = [badge(`z = ${(data.redshift[k] ?? NaN).toFixed(4)}`)];
    for (const [name, p] of Object.entries(data.probability)) details.push(badge(`P(${name}) = ${(p[k] ?? 0).toFixed(3)}`));
    if (data.part[k]) details.push(badge(`${data.part[k]} part`));
    if (data.novelty.length) details.push(badge(`novelty ${(data.novelty[k] ?? NaN).toFixed(2)}`, data.novelty[k] > 1));
    if (data.doubts[k]) details.push(badge(data.doubts[k], true));
    if (data.ra[k] !== null && data.dec[k] !== null) {
      for (const [name, address] of Object.entries(data.sky)) {
        const link = document.createElement("a");
        const sign = data.dec[k] < 0 ? "-" : "%2B";
        link.href = address.replace("{ra}", data.ra[k]).replace("{dec}", sign + Math.abs(data.dec[k]));
        link.rel = "noopener noreferrer"; link.target = "_blank"; link.textContent = name;
        details.push(link, " ");
      }
    }
    read("details").replaceChildren(...details);
  }

  function pick(k) {
    row = k;
    paint(k); describe(k); count();
    source.ring.data = { x: [data.x[k]], y: [data.y[k]] };
    history.replaceState(null, "", "#" + encodeURIComponent(data.names[k]));
  }

  function search() {
    const words = read("search").value.trim().toLowerCase(), found = read("found");
    found.replaceChildren();
    if (!words) return [];
    const rows = [...Array(n).keys()].filter((k) => data.names[k].toLowerCase().includes(words));
    for (const k of rows.slice(0, 12)) {
      const item = document.createElement("li"), button = document.createElement("button");
      button.type = "button"; button.textContent = data.names[k];
      button.addEventListener("click", () => pick(k));
      item.append(button); found.append(item);
    }
    const item = document.createElement("li");
    item.textContent = rows.length > 12 ? `and ${rows.length - 12} more` : rows.length ? "" : "no name holds this";
    if (item.textContent) found.append(item);
    return rows;
  }

  for (const name of Object.keys(data.types)) {
    const points = find("map", `points ${name}`);
    points.selected.properties.indices.change.connect(() => {
      const chosen = points.selected.indices;
      if (chosen.length) { pick(points.get_column("row")[chosen[0]]); points.selected.indices = []; }
    });
  }
  read("search").addEventListener("input", search);
  read("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const rows = search();
    if (rows.length) pick(rows[0]);
  });
  read("filter").addEventListener("change", list);
  read("order").addEventListener("change", list);
  read("previous").addEventListener("click", () => step(-1));
  read("next").addEventListener("click", () => step(1));
  document.addEventListener("keydown", (event) => {
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });

  dark.addEventListener("change", dress);
  dress();
  list();
  const asked = () => data.names.indexOf(decodeURIComponent(location.hash.slice(1)));
  window.addEventListener("hashchange", () => asked() >= 0 && asked() !== row && pick(asked()));
  if (asked() >= 0) pick(asked());
  else if (shown.length) pick(best.indexOf(Math.min(...best)));
  document.documentElement.dataset.ready = "yes";
})();
