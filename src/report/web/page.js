/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report's page comes as plain tables.  This adds: order and filter for
 * each table, one site at a time beside the overview (#site=chc in the URL,
 * #site=chc&heir=akl with an heir opened), and the picture of its heirs with
 * the levels below.  The data are in #data; src/report/page_data.c has the
 * shape.  Text goes into the page as text only, never as HTML.
 */
"use strict";
(() => {
	const NAME = 0, SHARE = 1, CLIENTS = 2, NEXT = 3, LABEL = 4, LOW = 5, HIGH = 6, AFTER = 7, NOW = 8, IPV4 = 9, IPV6 = 10, UP_TO = 11;
	const LABELS = ["", "measured", "certified", "composed", "unstable", "contradicted", "guessed", "unknown"];
	const SVG = "http://www.w3.org/2000/svg";
	let data, tip;

	document.documentElement.classList.add("js");

	/* ---- small helpers ---- */

	function make(tag, props, ...children) {
		const e = Object.assign(document.createElement(tag), props);
		e.append(...children);
		return e;
	}

	function draw(tag, attributes, ...children) {
		const e = document.createElementNS(SVG, tag);
		for (const [key, value] of Object.entries(attributes))
			e.setAttribute(key, value);
		e.append(...children);
		return e;
	}

	const known = (v) => v !== undefined && v !== null;
	/* Rounded as text_share and text_ratio do. */
	const tenths = (share) => (Math.floor((share + 50) / 100) / 10).toFixed(1);
	const percent = (share) => tenths(share) + "\u00a0%";
	const load = (thousandths) => Math.floor((thousandths + 5) / 10) + "\u00a0%";
	const range = (heir) => known(heir[LOW]) && known(heir[HIGH]) ?
	    tenths(heir[LOW]) + "\u2013" + tenths(heir[HIGH]) : "";
	const isOver = (heir) => heir[AFTER] > 1000;
	const name = (heir) => heir[NAME] >= 0 ? data.names[heir[NAME]] : heir[NAME] === -1 ? "unknown" :
	    -1 - heir[NAME] + " small ones";
	const cut = (s, n) => s.length > n ? s.slice(0, n - 1) + "\u2026" : s;

	function number(v) {
		if (Math.abs(v) >= 1e15)
			return v.toPrecision(3);
		const s = v.toFixed(Number.isInteger(v) || Math.abs(v) >= 100 ? 0 : 2);
		return s.replace(/\B(?=(\d{3})+(?!\d)(\.|$))/g, "\u202f");
	}

	/* What arrives at the last heir of a path. */
	const weight = (map, path) => path.reduce((w, heir) => w * heir[SHARE] / 1e5, map.weight);

	/* ---- tables: order and filter ---- */

	/* Names and texts are marked; the rest are numbers, as they are shown. */
	const isText = (cell) => cell.tagName === "TH" || /^(t|label|next)\b/.test(cell.className);

	function value(cell) {
		if (cell.dataset.v !== undefined)
			return Number(cell.dataset.v);
		const n = parseFloat(cell.textContent.replace(/[\s\u00a0\u202f]/g, ""));
		return Number.isNaN(n) ? -1 : n;
	}

	function order(table, column) {
		const heads = table.tHead.rows[0].cells;
		const body = table.tBodies[0];
		const was = heads[column].getAttribute("aria-sort");
		const rows = [...body.rows];
		const text = rows.length > 0 && isText(rows[0].cells[column]);
		/* Numbers begin with the largest, names with A. */
		const down = was ? was === "ascending" : !text;
		const compare = (a, b) => text ? a.textContent.localeCompare(b.textContent, "en", { numeric: true }) :
		    value(a) - value(b);
		rows.sort((a, b) => compare(a.cells[column], b.cells[column]) * (down ? -1 : 1));
		for (const head of heads)
			head.removeAttribute("aria-sort");
		heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
		body.append(...rows);
	}

	function makeSortable(table) {
		[...table.tHead.rows[0].cells].forEach((head, column) => {
			const button = make("button", { type: "button" }, ...head.childNodes);
			button.addEventListener("click", () => order(table, column));
			head.append(button);
		});
	}

	const FEW = 8; /* rows that need no filter */

	/* matches(row, word): whether it stays. */
	function addFilter(table, placeholder, hint, matches) {
		const input = make("input", { type: "search", placeholder });
		const count = make("small", { role: "status" }, hint);
		const rows = [...table.tBodies[0].rows];
		const apply = () => {
			const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
			let n = 0;
			for (const row of rows) {
				row.hidden = !words.every((word) => matches(row, word));
				n += !row.hidden;
			}
			count.textContent = words.length > 0 ? n + " of " + rows.length : hint;
		};
		input.setAttribute("aria-label", (placeholder + " " + hint).trim());
		input.addEventListener("input", apply);
		input.addEventListener("keydown", (e) => {
			if (e.key === "Escape") {
				input.value = "";
				apply();
			}
		});
		table.parentNode.before(make("div", { className: "filter" }, input, count));
		return input;
	}

	const holds = (row, word) => row.textContent.toLowerCase().includes(word);

	/* ---- the note at the pointer ---- */

	function describe(map, path) {
		const heir = path[path.length - 1];
		const lines = [];
		lines.push(percent(heir[SHARE]) + (path.length > 1 ? " of what " + name(path[path.length - 2]) + " got" : " of the weight") +
		    (range(heir) && ` (95\u00a0%: ${range(heir)})`));
		let clients = number(heir[CLIENTS]) + " clients";
		if (known(heir[IPV4]) || known(heir[IPV6]))
			clients += ` (IPv4 ${number(heir[IPV4] || 0)}, IPv6 ${number(heir[IPV6] || 0)})`;
		lines.push(clients + ", weight " + number(weight(map, path)));
		if (known(heir[AFTER]))
			lines.push("load " + (known(heir[NOW]) ? load(heir[NOW]) + " now, " : "") + load(heir[AFTER]) + " after" +
			    (known(heir[UP_TO]) ? ", up to " + load(heir[UP_TO]) + " with what could not be placed" : "") +
			    (isOver(heir) ? ": too much" : ""));
		const label = LABELS[heir[LABEL] || map.label] || "";
		lines.push([label, known(map.noise) ? "noise floor " + percent(map.noise) : "", map.age + " old"]
		    .filter(Boolean).join(", "));
		if (known(map.noise) && heir[SHARE] < map.noise)
			lines.push("below the noise floor");
		return lines.join("\n");
	}

	function showTip(map, path, box) {
		tip.replaceChildren(make("b", {}, path.map(name).join(" \u2192 ")), describe(map, path));
		tip.hidden = false;
		const left = Math.min(box.left, innerWidth - tip.offsetWidth - 8);
		const above = box.top - tip.offsetHeight - 6;
		tip.style.left = Math.max(8, left) + "px";
		tip.style.top = (above > 4 ? above : box.bottom + 6) + "px";
	}

	function hideTip() {
		tip.hidden = true;
	}

	/* ---- the picture ---- */

	const FLOW = 220, ROW = 19, NODE = 10, TOP = 24, NAME_MAX = 18;
	const share = (heir) => Math.min(1, heir[SHARE] / 1e5);

	/* Rows of one column: each heir gets its band's height, or a line of text. */
	function stack(heirs, height) {
		let y = 0;
		return heirs.map((heir) => {
			const h = Math.max(share(heir) * height, .8);
			const row = Math.max(ROW, h + 3);
			const at = { heir, h, row: y, rowHeight: row, y: y + (row - h) / 2 };
			y += row;
			return at;
		});
	}

	const stackHeight = (rows) => rows.reduce((sum, r) => sum + r.rowHeight, 0);

	function bandPath(x0, y0, x1, y1, h) {
		const mid = (x0 + x1) / 2;
		return `M${x0} ${y0}C${mid} ${y0} ${mid} ${y1} ${x1} ${y1}v${h}C${mid} ${y1 + h} ${mid} ${y0 + h} ${x0} ${y0 + h}z`;
	}

	const idOf = (path) => "heir " + path.map((heir) => heir[NAME]).join(" ");

	/* What one heir looks like and does. from: where its band begins. */
	function drawHeir(view, row, from, column, path) {
		const heir = row.heir;
		const y = column.top + row.y, middle = column.top + row.row + row.rowHeight / 2;
		const isOpen = view.path[path.length - 1] === heir;
		const text = draw("text", { x: column.x + NODE + 7, y: middle + 4.5 },
		    draw("tspan", { class: "strong" }, cut(name(heir), NAME_MAX)), "  " + percent(heir[SHARE]));
		if (isOver(heir))
			text.append(draw("tspan", { class: "warn small" }, "  \u25b2\u00a0" + load(heir[AFTER])));
		else if (known(heir[AFTER]) && path.length === 1)
			text.append(draw("tspan", { class: "dim small" }, "  " + load(heir[AFTER])));
		const g = draw("g", { id: idOf(path), class: [isOver(heir) ? "over" : "", heir[NAME] < 0 ? "unknown" : "", isOpen ? "open" : ""].join(" ").trim() },
		    draw("path", { class: "band", d: bandPath(from.x, from.y, column.x, y, row.h) }),
		    draw("rect", { class: "node", x: column.x, y, width: NODE, height: row.h }),
		    draw("rect", { class: "hit", x: column.x - 3, y: column.top + row.row, width: column.labels + NODE - 4, height: row.rowHeight }),
		    text);
		if (heir[NEXT] && heir[NEXT].length > 0) {
			const toggle = () => view.open(isOpen ? path.slice(0, -1) : path, path);
			g.setAttribute("role", "button");
			g.setAttribute("aria-pressed", isOpen);
			g.addEventListener("click", toggle);
			g.addEventListener("keydown", (e) => {
				if (e.key === "Enter" || e.key === " ") {
					e.preventDefault();
					toggle();
				}
			});
		}
		g.setAttribute("tabindex", "0");
		g.setAttribute("aria-label", path.map(name).join(", then ") + ": " + describe(view.map, path).replace(/\n/g, "; "));
		g.addEventListener("pointerenter", () => showTip(view.map, path, g.querySelector(".hit").getBoundingClientRect()));
		g.addEventListener("pointerleave", hideTip);
		g.addEventListener("focus", () => showTip(view.map, path, g.querySelector(".hit").getBoundingClientRect()));
		g.addEventListener("blur", hideTip);
		return g;
	}

	/* The columns that are shown: heirs of the site, of the opened heir, ... */
	function layOut(view) {
		const levels = [{ heirs: view.map.heirs, height: FLOW }];
		for (const heir of view.path)
			levels.push({ heirs: heir[NEXT], height: levels[levels.length - 1].height * share(heir) });
		for (const level of levels) {
			const longest = Math.max(...level.heirs.map((heir) => Math.min(NAME_MAX, name(heir).length)));
			level.rows = stack(level.heirs, level.height);
			level.labels = longest * 8 + 135;
		}
		const height = Math.max(FLOW, ...levels.map((level) => stackHeight(level.rows)));
		return { levels, height };
	}

	function drawFlow(view) {
		const { levels, height } = layOut(view);
		const gap = levels.length > 1 ? 130 : 280;
		const width = Math.max(620, levels.reduce((w, level) => w + gap + NODE + level.labels, NODE));
		const svg = draw("svg", { width, height: TOP + height + 4, viewBox: `0 0 ${width} ${TOP + height + 4}`, role: "group",
		    "aria-label": "Where the weight of " + data.names[view.map.site] + " goes" });
		let from = { x: NODE, y: TOP + (height - FLOW) / 2 };
		svg.append(draw("text", { x: 0, y: from.y - 8, class: "strong" }, cut(data.names[view.map.site], 22)),
		    draw("rect", { class: "source", x: 0, y: from.y, width: NODE, height: FLOW }));
		levels.forEach((level, depth) => {
			const x = from.x + gap;
			const all = stackHeight(level.rows);
			/* Beside what it comes from, as far as there is room. */
			const wish = depth === 0 ? TOP + (height - all) / 2 : from.y + level.height / 2 - all / 2;
			const top = Math.max(TOP, Math.min(wish, TOP + height - all));
			const column = { x, top, labels: level.labels };
			let next = null;
			if (depth > 0) {
				svg.append(draw("text", { x, y: Math.max(12, top - 9), class: "dim small" },
				    "if " + cut(name(view.path[depth - 1]), 16) + " fails too"));
				svg.append(draw("rect", { class: "node", x: from.x - NODE, y: from.y, width: NODE, height: Math.max(level.height, .8) }));
			}
			for (const row of level.rows) {
				const path = [...view.path.slice(0, depth), row.heir];
				svg.append(drawHeir(view, row, from, column, path));
				from.y += share(row.heir) * level.height;
				if (view.path[depth] === row.heir)
					next = { x: x + NODE + level.labels, y: top + row.y };
			}
			if (next)
				from = next;
		});
		return svg;
	}

	/* ---- the table of a level below ---- */

	function levelRow(view, heir, extent) {
		const cell = (text, className = "") => make("td", { className }, text);
		const row = make("tr", { className: heir[NAME] < 0 ? "faint" : "" }, make("th", { scope: "row" }, name(heir)));
		if (extent.loads)
			row.append(cell(known(heir[AFTER]) ? load(heir[AFTER]) : "", isOver(heir) ? "over" : ""));
		row.append(cell(percent(heir[SHARE])));
		if (extent.ranges)
			row.append(cell(range(heir)));
		row.append(cell(number(weight(view.map, [...view.path, heir]))), cell(number(heir[CLIENTS])));
		if (extent.labels)
			row.append(cell(LABELS[heir[LABEL]] || "", "label " + (LABELS[heir[LABEL]] || "")));
		return row;
	}

	function levelTable(view) {
		const last = view.path[view.path.length - 1];
		const extent = { loads: last[NEXT].some((h) => known(h[AFTER])), ranges: last[NEXT].some(range),
			labels: last[NEXT].some((h) => h[LABEL]) };
		const heads = ["Heir", extent.loads && "Load after", "Share", extent.ranges && "95\u00a0%", "Weight", "Clients",
			extent.labels && "Label"].filter(Boolean);
		const table = make("table", { className: "heirs" },
		    make("caption", {}, "Where the " + number(last[CLIENTS]) + " clients go that " + name(last) + " had got"),
		    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", className: text === "Heir" || text === "Label" ? "t" : "n" }, text)))),
		    make("tbody", {}, ...last[NEXT].map((heir) => levelRow(view, heir, extent))));
		makeSortable(table);
		return [make("h3", {}, "If " + [data.names[view.map.site], ...view.path.map(name)].join(" and ") + " fail"),
			make("div", { className: "scroll" }, table)];
	}

	/* ---- one site ---- */

	/* The parts of a site's section that show the opened heirs. */
	function makeView(section, map) {
		const view = { map, path: [] };
		const figure = make("figure", {});
		const below = make("div", { className: "below" });
		const table = section.querySelector("table.heirs");
		const rows = [...table.tBodies[0].rows];
		view.show = () => {
			figure.replaceChildren(drawFlow(view));
			below.replaceChildren(...(view.path.length > 0 ? levelTable(view) : []));
			rows.forEach((row, i) => row.classList.toggle("pick", view.path[0] === map.heirs[i]));
		};
		/* clicked: the path of the heir in the picture that did it, which keeps the focus. */
		view.open = (path, clicked) => {
			hideTip();
			view.path = path;
			view.show();
			location.replace(hashOf(view));
			const at = clicked && [...figure.querySelectorAll("g")].find((g) => g.id === idOf(clicked));
			if (at)
				at.focus({ preventScroll: true });
		};
		rows.forEach((row, i) => {
			const heir = map.heirs[i];
			if (!heir[NEXT])
				return;
			row.classList.add("more");
			row.addEventListener("click", () => view.open(view.path[0] === heir ? [] : [heir]));
		});
		table.parentNode.before(figure);
		table.parentNode.after(below);
		makeSortable(table);
		if (rows.length > FEW)
			addFilter(table, "filter heirs", "", holds);
		return view;
	}

	function hashOf(view) {
		const parts = ["site=" + encodeURIComponent(data.names[view.map.site])];
		for (const heir of view.path)
			parts.push("heir=" + encodeURIComponent(name(heir)));
		return "#" + parts.join("&");
	}

	function readHash() {
		const wanted = { site: null, heirs: [] };
		for (const part of location.hash.slice(1).split("&")) {
			const [key, value] = part.split("=");
			let text;
			try {
				text = decodeURIComponent(value || "");
			} catch {
				continue; /* not ours */
			}
			if (key === "site")
				wanted.site = text;
			else if (key === "heir")
				wanted.heirs.push(text);
		}
		return wanted;
	}

	/* The heirs of these names, one level below the other. */
	function findPath(map, names) {
		const path = [];
		let heirs = map.heirs;
		for (const wanted of names) {
			const heir = (heirs || []).find((h) => name(h) === wanted);
			if (!heir || !heir[NEXT])
				break;
			path.push(heir);
			heirs = heir[NEXT];
		}
		return path;
	}

	/* ---- the page ---- */

	function start() {
		data = JSON.parse(document.getElementById("data").textContent);
		tip = make("div", { id: "tip", hidden: true });
		tip.setAttribute("role", "tooltip");
		document.body.append(tip);
		const sections = [...document.querySelectorAll("section.site")];
		const table = document.getElementById("sites");
		const rows = table ? [...table.tBodies[0].rows] : [];
		const views = [];
		let open = -1;

		/* Following a link selects; the browser need not scroll as well. */
		sections.forEach((section) => section.removeAttribute("id"));

		/* Drawn when it is first looked at: there may be hundreds. */
		function viewOf(i) {
			views[i] = views[i] || makeView(sections[i], data.maps[i]);
			return views[i];
		}

		function select(i, heirs) {
			const view = viewOf(i);
			const map = data.maps[i];
			const named = findPath(map, heirs);
			const first = map.heirs.find((heir) => heir[NEXT]);
			/* Nobody asked for an heir: the worst one shows the second level. */
			const path = named.length > 0 || open === i || !first ? named : [first];
			if (open === i && path.length === view.path.length && path.every((heir, k) => heir === view.path[k]))
				return; /* shown already */
			view.path = path;
			if (open !== i) {
				sections.forEach((section, k) => section.classList.toggle("open", k === i));
				rows.forEach((row, k) => row.classList.toggle("pick", k === i));
				rows.forEach((row, k) => row.querySelector("a").toggleAttribute("aria-current", k === i));
			}
			open = i;
			view.show();
		}

		function follow() {
			const wanted = readHash();
			const i = wanted.site === null ? 0 : data.maps.findIndex((map) => data.names[map.site] === wanted.site);
			if (i >= 0)
				select(i, wanted.heirs);
		}

		if (table) {
			makeSortable(table);
			const input = addFilter(table, "filter sites", "by name or label; >akl: what akl inherits", (row, word) => {
				if (!word.startsWith(">"))
					return holds(row, word);
				const heirs = data.maps[rows.indexOf(row)].heirs;
				return word.length < 2 || heirs.some((heir) => name(heir).toLowerCase().startsWith(word.slice(1)));
			});
			rows.forEach((row, i) => {
				const link = row.querySelector("a");
				row.addEventListener("click", (e) => {
					if (e.target !== link && getSelection().isCollapsed)
						location.hash = link.hash;
				});
				link.addEventListener("keydown", (e) => {
					const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[e.key];
					let to = step && row[step];
					while (to && to.hidden)
						to = to[step];
					if (!to)
						return;
					e.preventDefault();
					to.querySelector("a").focus();
					location.replace(to.querySelector("a").hash);
				});
			});
			document.addEventListener("keydown", (e) => {
				if (e.key === "/" && !/^(INPUT|TEXTAREA)$/.test(e.target.tagName) && !e.ctrlKey && !e.metaKey && !e.altKey) {
					e.preventDefault();
					input.focus();
				}
			});
		}
		document.querySelectorAll("table.sort").forEach((other) => {
			if (other !== table && !other.closest("section.site"))
				makeSortable(other);
		});
		addEventListener("hashchange", follow);
		addEventListener("scroll", hideTip, { passive: true, capture: true });
		if (data.maps.length > 0)
			follow();
	}

	document.addEventListener("DOMContentLoaded", start);
})();
