// The built-in site's page: asks /status.json once a second and shows what it says.
//
// The document is what `sockeye status --json` prints. Everything from outside is put in as text,
// never as markup. Rows are kept by key and changed in place, so that nothing flickers and a
// selection survives. Nothing is loaded but this site's own four files (see its
// Content-Security-Policy), and no style is set from here: states are attributes and classes.
"use strict";

const STATUS = "/status.json";
const INTERVAL_MS = 1000;
const ANSWER_MS_MAX = 4000;
/** Failed asks in a row after which the page says so over its whole width. */
const FAILURES_UNTIL_LOST = 2;
const CURVE_SAMPLES = 60;
const ROWS_MAX = 200;
const SEEN_MAX = 12;

/** Each model: the system calls of one request (a wait is marked), what it is, what it costs. */
const IO_MODELS = {
  "blocking": {
    loop: ["*recv", "send"],
    what: "The worker calls recv and sleeps inside it until this one client has sent something. " +
      "Nothing is cheaper, and nobody else is served by that process or thread meanwhile.",
    cost: "2 system calls a request; as many connections as processes or threads.",
  },
  "nonblocking": {
    loop: ["*recv? recv? recv?", "send"],
    what: "The worker never waits: it asks each connection in turn whether something has come, " +
      "again and again. Simple, and it keeps a processor busy for nothing.",
    cost: "2 system calls a request, and one for each idle connection and lap; about 50 connections.",
  },
  "select": {
    loop: ["*select", "recv", "send"],
    what: "The worker hands the kernel a bitmap of descriptors and sleeps until one of them is " +
      "ready. The bitmap ends at 1023, and the kernel looks through all of it each time.",
    cost: "3 system calls a request alone, 2 + 1/N when N are ready at once; 960 connections.",
  },
  "poll": {
    loop: ["*poll", "recv", "send"],
    what: "As select, with a list instead of a bitmap: no highest number, but the whole list goes " +
      "to the kernel and back at each wait, idle connections and all.",
    cost: "3 system calls a request alone, 2 + 1/N when N are ready at once; 1,000 to 2,000 connections.",
  },
  "epoll": {
    loop: ["*epoll_wait", "recv", "send"],
    what: "The kernel keeps the list and reports only what has changed, so idle connections cost " +
      "nothing. A connection is added once and never touched again.",
    cost: "3 system calls a request alone, 2 + 1/N when N are ready at once; a million connections.",
  },
  "sigio": {
    loop: ["*rt_sigtimedwait", "read", "recv", "send"],
    what: "The kernel sends a real-time signal that names the descriptor. It is epoll's ancestor: " +
      "the queue of signals can run over, and then everything has to be looked at once.",
    cost: "4 system calls a request alone, 2 + 2/N when N are ready at once; RLIMIT_SIGPENDING.",
  },
  "io_uring": {
    loop: ["*io_uring_enter", "send"],
    what: "The kernel does not say that something can be read: it has read it already, into " +
      "buffers lent to it, and the worker collects what is done from a ring in shared memory.",
    cost: "2 system calls a request alone, 1 + 1/N when N are ready at once; a million connections.",
  },
};

const PROCESS_MODELS = {
  "iterative": {
    loop: ["*accept", "serve to its end", "close"],
    what: "One process takes one connection, serves it to its end, and only then takes the next. " +
      "Whoever comes in between waits in the listener's queue.",
    cost: "One connection at a time: whoever else comes waits until it ends, so close idle ones soon.",
    flags: " --set idle_timeout=200ms",
  },
  "fork-per-connection": {
    loop: ["*accept", "fork", "child serves", "exit", "reap"],
    what: "Each connection gets a child process of its own, which serves it and exits. A crash " +
      "takes one client with it; the parent must reap every child.",
    cost: "A fork and an exit for each connection; up to max_children at once.",
  },
  "prefork": {
    loop: ["fork N workers", "*each waits", "accept", "serve"],
    what: "The master forks its workers before any client comes, and each has its own event loop. " +
      "Nothing is shared but the listeners; a worker that dies is replaced.",
    cost: "One process a processor; the default.",
  },
  "thread-per-connection": {
    loop: ["*accept", "clone", "thread serves", "ends"],
    what: "Each connection gets a thread of its own. Lighter than a process, but a crash takes all " +
      "of them, and they share one table of descriptors.",
    cost: "A clone for each connection; up to max_children at once.",
  },
  "thread-per-core": {
    loop: ["N threads", "*each waits", "accept", "serve"],
    what: "One process with as many event loops as threads, each with its own connections. As " +
      "prefork, in one address space.",
    cost: "One thread a processor; one crash ends them all.",
  },
};

/* --- Small helpers ------------------------------------------------------------------------- */

const byId = (id) => document.getElementById(id);

/** Changes the text only when it is another, so that a selection is not lost. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A client's text, with nothing in it that could turn or hide the text around it. */
function safe(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, "\u00b7");
}

const whole = new Intl.NumberFormat("en-US");
const count = (n) => whole.format(n);

function rateText(perSecond) {
  if (perSecond === null) return "\u2013";
  return perSecond < 9.95 && perSecond > 0 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

function size(bytes) {
  let value = bytes, unit = 0;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  while (value >= 1000 && unit < units.length - 1) { value /= 1024; unit += 1; }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return value.toFixed(digits) + " " + units[unit];
}

function age(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " m " + two(s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + two(Math.floor(s % 3600 / 60)) + " m";
  return Math.floor(s / 86400) + " d " + two(Math.floor(s % 86400 / 3600)) + " h";
}

/**
 * Makes the container's children those of the items, in their order: known keys are changed in
 * place, new ones made, missing ones removed. What has not moved is not touched.
 */
function reconcile(container, items, keyOf, create, update) {
  const known = container.rowsByKey || (container.rowsByKey = new Map());
  const first = known.size === 0 && !container.filledBefore;
  const keys = new Set();
  let at = container.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (keys.has(key)) continue;
    keys.add(key);
    let node = known.get(key);
    if (!node) {
      node = create(item);
      if (!first) node.classList.add("new");
      known.set(key, node);
    }
    while (at && at !== node && at.rowKey !== undefined && !items.some((it) => keyOf(it) === at.rowKey)) {
      at = removeRow(known, at);
    }
    node.rowKey = key;
    if (at === node) at = at.nextSibling;
    else container.insertBefore(node, at);
    update(node, item);
  }
  while (at) at = removeRow(known, at);
  container.filledBefore = true;
}

function removeRow(known, node) {
  const next = node.nextSibling;
  known.delete(node.rowKey);
  node.remove();
  return next;
}

/** A table row of cells `[label, class]`; a cell's label is shown on narrow screens. */
function row(cells) {
  const tr = element("tr");
  tr.setAttribute("role", "row");
  for (const [label, className] of cells) {
    const td = element("td", className);
    td.setAttribute("role", "cell");
    if (label) td.setAttribute("data-label", label);
    tr.append(td);
  }
  return tr;
}

function setCells(tr, texts) {
  texts.forEach((text, i) => { if (text !== null) setText(tr.cells[i], text); });
}

/** Fills a table's body, or says why there is nothing in it. */
function fillTable(id, items, keyOf, cells, update, nothing) {
  const body = byId(id).tBodies[0];
  const none = { nothing };
  const shown = items.length ? items : [none];
  reconcile(body, shown,
    (item) => (item === none ? "nothing" : keyOf(item)),
    (item) => (item === none ? nothingRow(byId(id)) : row(cells)),
    (tr, item) => { if (item === none) setText(tr.cells[0], nothing); else update(tr, item); });
}

function nothingRow(table) {
  const tr = row([["", "nothing"]]);
  tr.cells[0].colSpan = table.tHead.rows[0].cells.length;
  return tr;
}

/* --- What is derived from two looks --------------------------------------------------------- */

const workerKey = (worker) => worker.pid + "/" + (worker.tid || "");
const workerName = (worker) => (worker.tid ? worker.pid + "/" + worker.tid : String(worker.pid));

/** Rates between two looks; `null` where there is nothing to compare with. */
function compare(before, view, seconds) {
  const rates = { workers: new Map(), requests: null, sent: null };
  if (!before || before.master_pid !== view.master_pid || seconds <= 0) return rates;
  const old = new Map(before.workers.map((worker) => [workerKey(worker), worker]));
  let requests = 0, sent = 0;
  for (const worker of view.workers) {
    const past = old.get(workerKey(worker));
    const since = (name) =>
      Math.max(0, worker.counters[name] - (past ? past.counters[name] : 0));
    requests += since("requests");
    sent += since("bytes_out");
    rates.workers.set(workerKey(worker), since("requests") / seconds);
  }
  rates.requests = requests / seconds;
  rates.sent = sent / seconds;
  return rates;
}

/** What a person would tell another about the difference between two looks. */
function differences(before, view) {
  if (!before) return [];
  if (before.master_pid !== view.master_pid) {
    return ["another server answers now: master " + view.master_pid];
  }
  const told = [];
  if (before.generation !== view.generation) {
    told.push("reloaded: generation " + view.generation + " begins");
  }
  for (const what of ["io_model", "process_model"]) {
    if (before[what] !== view[what]) told.push(before[what] + " became " + view[what]);
  }
  const old = new Map(before.workers.map((worker) => [workerKey(worker), worker]));
  for (const worker of view.workers) {
    const past = old.get(workerKey(worker));
    old.delete(workerKey(worker));
    const name = worker.role + " " + workerName(worker);
    if (!past) told.push(name + " is there (generation " + worker.generation + ")");
    else if (past.state !== worker.state) told.push(name + " is " + worker.state);
  }
  for (const worker of old.values()) {
    const exit = view.last_exits.find((one) => one.pid === worker.pid);
    const silent = view.silent_workers.includes(worker.pid);
    if (silent) told.push(worker.role + " " + worker.pid + " does not answer");
    else told.push(worker.role + " " + workerName(worker) + " is gone" + (exit ? ": " + safe(exit.how) : ""));
  }
  return told;
}

/* --- The parts of the page ------------------------------------------------------------------ */

const curve = [];

function showFigures(view, rates) {
  const total = (name) => view.workers.reduce((sum, worker) => sum + worker.counters[name], 0);
  setText(byId("version"), safe(view.version));
  setText(byId("rate"), rateText(rates.requests));
  setText(byId("requests"), count(total("requests")));
  setText(byId("open"), count(total("connections_open")));
  setText(byId("sent-rate"), rates.sent === null ? "\u2013" : size(rates.sent));
  setText(byId("uptime"), age(view.uptime_ms));
  setText(byId("generation"), String(view.generation));
  if (rates.requests !== null) curve.push(rates.requests);
  if (curve.length > CURVE_SAMPLES) curve.shift();
  drawCurve();
}

function drawCurve() {
  if (curve.length < 2) return;
  const highest = Math.max(4, ...curve);
  const step = 240 / (CURVE_SAMPLES - 1);
  const start = 240 - (curve.length - 1) * step;
  const points = curve.map((value, i) =>
    (start + i * step).toFixed(1) + " " + (46 - (value / highest) * 42).toFixed(1));
  const line = "M" + points.join("L");
  setAttribute(byId("curve").querySelector(".line"), "d", line);
  setAttribute(byId("curve").querySelector(".area"), "d", line + "L240 48L" + start.toFixed(1) + " 48Z");
}

function showModels(view) {
  showModel("io", view.io_model, IO_MODELS, "--io-model", view);
  showModel("process", view.process_model, PROCESS_MODELS, "--process-model", view);
}

function showModel(prefix, name, models, flag, view) {
  const model = Object.hasOwn(models, name) ? models[name] : { loop: [], what: "", cost: "" };
  setText(byId(prefix + "-name"), safe(name));
  setText(byId(prefix + "-sentence"), model.what);
  setText(byId(prefix + "-cost"), model.cost);
  reconcile(byId(prefix + "-loop"), model.loop, (step) => step, (step) => {
    const node = element("span", step.startsWith("*") ? "step wait" : "step");
    node.append(element("span", "", step.replace("*", "")));
    return node;
  }, () => {});
  const entries = Object.entries(models);
  reconcile(byId(prefix + "-choices"), entries, ([key]) => key, ([key, one]) => {
    const box = element("div");
    const dt = element("dt");
    dt.append(element("code", "", key));
    const dd = element("dd", "", one.what + " ");
    dd.append(element("code", "", ""));
    box.append(dt, dd);
    return box;
  }, (box, [key, one]) => {
    box.classList.toggle("current", key === name);
    setText(box.querySelector("dd code"), serveCommand(view, flag + " " + key + (one.flags || "")));
  });
}

/** The command that starts this server again with another flag. */
function serveCommand(view, flags) {
  const first = view.listeners.length ? view.listeners[0].address : "127.0.0.1:8080";
  const listen = first === "127.0.0.1:8080" ? "" : " --listen " + shellWord(safe(first));
  return "sockeye serve" + listen + " " + flags;
}

function shellWord(text) {
  return /^[A-Za-z0-9_.:\/=-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
}

const FAMILY_CELLS = [
  ["", "mono full"], ["Role", ""], ["State", "state"], ["Generation", "number"], ["Up", "number"],
  ["Requests/s", "number"], ["Requests", "number"], ["Open", "number"], ["Accepted", "number"],
  ["4xx", "number"], ["5xx", "number"], ["In", "number"], ["Out", "number"],
];

/**
 * The family as lines of a tree: the master, its workers in order of generation, and below an
 * acceptor the processes that serve one connection each.
 */
function familyTree(view) {
  const lines = [{ key: "master", kind: "master", branch: "", name: String(view.master_pid) }];
  const workers = [...view.workers].sort((a, b) =>
    a.generation - b.generation || a.pid - b.pid || (a.tid || 0) - (b.tid || 0));
  workers.forEach((worker, i) => {
    const last = i === workers.length - 1;
    lines.push({ key: workerKey(worker), kind: worker.tid ? "thread" : "worker", worker,
      branch: last ? "\u2514\u2500 " : "\u251c\u2500 ", name: workerName(worker) });
    const below = worker.connections.filter((one) => one.served_by)
      .sort((a, b) => a.served_by - b.served_by);
    below.forEach((child, j) => lines.push({ key: workerKey(worker) + " " + child.served_by,
      kind: "deeper", worker, child, name: String(child.served_by),
      branch: (last ? "   " : "\u2502  ") + (j === below.length - 1 ? "\u2514\u2500 " : "\u251c\u2500 ") }));
  });
  return lines;
}

function showFamily(view, rates) {
  const lines = familyTree(view);
  const highest = Math.max(1, ...rates.workers.values());
  const body = byId("family").tBodies[0];
  reconcile(body, lines.slice(0, ROWS_MAX), (line) => line.key, makeFamilyRow,
    (tr, line) => updateFamilyRow(tr, line, view, rates, highest));
  const left = lines.length - Math.min(lines.length, ROWS_MAX);
  setText(byId("family-note"), familyNote(view) + (left ? " " + count(left) + " more are not shown." : ""));
  const silent = byId("silent");
  silent.hidden = view.silent_workers.length === 0;
  setText(silent, "No answer in time from: " + view.silent_workers.join(", "));
}

function familyNote(view) {
  const n = view.workers.length;
  const kind = view.workers.some((worker) => worker.tid) ? "thread"
    : view.workers.some((worker) => worker.role === "acceptor") ? "acceptor" : "worker";
  return "The master holds the listeners and reads no byte of any client. Below it: " +
    (n === 1 ? "one " + kind : count(n) + " " + kind + "s") + ".";
}

function makeFamilyRow(line) {
  const tr = row(FAMILY_CELLS);
  tr.classList.add(line.kind);
  const branch = element("span", "branch");
  branch.setAttribute("aria-hidden", "true");
  tr.cells[0].append(branch, element("span"));
  if (line.kind === "master") tr.cells[2].className = "";
  if (line.kind === "master" || line.child) {
    [3, 5, 6, 7, 8, 9, 10, 11, 12].forEach((i) => tr.cells[i].classList.add("empty"));
  } else {
    tr.cells[5].append(shareBar(), element("span"));
  }
  return tr;
}

function shareBar() {
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  bar.setAttribute("class", "share");
  bar.setAttribute("viewBox", "0 0 44 6");
  bar.setAttribute("aria-hidden", "true");
  for (const width of [44, 0]) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    part.setAttribute("width", String(width));
    part.setAttribute("height", "6");
    part.setAttribute("rx", "3");
    bar.append(part);
  }
  return bar;
}

function updateFamilyRow(tr, line, view, rates, highest) {
  setText(tr.cells[0].firstChild, line.branch);
  setText(tr.cells[0].lastChild, line.name);
  if (line.kind === "master") {
    setCells(tr, [null, "master", "watching", null, age(view.uptime_ms)]);
    return;
  }
  if (line.child) {
    setAttribute(tr.cells[2], "data-state", "serving");
    setCells(tr, [null, "child", "serving one", null, age(line.child.age_ms)]);
    return;
  }
  const { worker } = line, { counters } = worker;
  const rate = rates.workers.has(line.key) ? rates.workers.get(line.key) : null;
  setAttribute(tr.cells[2], "data-state", worker.state);
  setText(tr.cells[5].lastChild, rateText(rate));
  setAttribute(tr.cells[5].firstChild.lastChild, "width", ((rate || 0) / highest * 44).toFixed(1));
  setCells(tr, [null, worker.role, worker.state, String(worker.generation), age(worker.uptime_ms), null,
    count(counters.requests), count(counters.connections_open), count(counters.connections_accepted),
    count(counters.responses_4xx), count(counters.responses_5xx),
    size(counters.bytes_in), size(counters.bytes_out)]);
  tr.cells[9].classList.toggle("zero", counters.responses_4xx === 0);
  tr.cells[10].classList.toggle("zero", counters.responses_5xx === 0);
}

function showListeners(view) {
  fillTable("listeners", view.listeners, (one) => one.fd + " " + one.address,
    [["", "mono full"], ["fd", "number"], ["Sharing", ""], ["Queue", "number"]],
    (tr, one) => setCells(tr, [safe(one.address), String(one.fd),
      one.sharing === "per-worker" ? "one a worker" : "shared",
      one.queue === null ? "\u2013" : count(one.queue)]),
    "None.");
}

function showGenerations(view) {
  reconcile(byId("generations"), view.generations, String, () => element("li"), (li, number) => {
    const workers = view.workers.filter((worker) => worker.generation === number);
    const draining = workers.filter((worker) => worker.state === "draining").length;
    li.classList.toggle("newest", number === view.generation);
    setText(li, number + ": " + workers.length + (workers.length === 1 ? " worker" : " workers") +
      (draining ? ", " + draining + " draining" : ""));
  });
}

const CONNECTION_CELLS = [
  ["Worker", "mono"], ["fd", "number"], ["", "mono full"], ["State", "state"], ["Requests", "number"],
  ["In", "number"], ["Out", "number"], ["Age", "number"], ["Idle", "number"], ["", "mono text full"],
];

function showConnections(view) {
  const all = view.workers.flatMap((worker) =>
    worker.connections.map((connection) => ({ worker, connection })));
  all.sort((a, b) => a.worker.pid - b.worker.pid || (a.worker.tid || 0) - (b.worker.tid || 0) ||
    (a.connection.served_by || 0) - (b.connection.served_by || 0) ||
    a.connection.fd - b.connection.fd || a.connection.peer.localeCompare(b.connection.peer));
  const leftOut = view.workers.reduce((sum, worker) => sum + worker.connections_left_out, 0) +
    Math.max(0, all.length - ROWS_MAX);
  fillTable("connections", all.slice(0, ROWS_MAX),
    ({ worker, connection }) => workerKey(worker) + " " + connection.fd + " " + connection.peer,
    CONNECTION_CELLS, updateConnection, "None at this moment.");
  setText(byId("connections-note"),
    (view.workers.some((worker) => worker.role === "acceptor")
      ? "Each was handed to a process or thread of its own; what happens on it only that one knows."
      : "What each worker holds, and the request it is answering on it.") +
    " One of them is this page's own." + (leftOut ? " " + count(leftOut) + " more are not shown." : ""));
}

function updateConnection(tr, { worker, connection }) {
  const request = connection.request === null ? "" : safe(connection.request);
  const own = request.startsWith("GET " + STATUS);
  const server = workerName(worker) + (connection.served_by ? " \u2192 " + connection.served_by : "");
  // An acceptor knows whom it has handed on, and no more: the rest only the child knows.
  const known = worker.role !== "acceptor";
  const told = (text) => (known ? text : "\u2013");
  setAttribute(tr.cells[3], "data-state", known ? connection.state : "");
  setCells(tr, [server, String(connection.fd),
    safe(connection.peer) + " \u2192 " + safe(connection.local),
    known ? connection.state.replace("-", " ") : "handed on",
    told(count(connection.requests)), told(size(connection.bytes_in)), told(size(connection.bytes_out)),
    age(connection.age_ms), told(age(connection.idle_ms)), request]);
  tr.cells[9].classList.toggle("own", own);
  tr.cells[9].classList.toggle("empty", request === "");
  setAttribute(tr.cells[9], "title", own ? "This page, asking" : request);
}

function showExits(view) {
  fillTable("exits", view.last_exits, (exit) => exit.pid + " " + exit.generation,
    [["", "mono full"], ["Role", ""], ["Generation", "number"], ["How", ""], ["Ago", "number"]],
    (tr, exit) => setCells(tr, [String(exit.pid), exit.role, String(exit.generation), safe(exit.how),
      age(exit.age_ms)]),
    "No process of this family has ended.");
  setText(byId("exits-note"), "Each is reaped by the master at once; none stays a zombie.");
}

const seen = [];
let seenCount = 0;

function showSeen(news) {
  const time = new Date().toTimeString().slice(0, 8);
  for (const text of news.slice(0, SEEN_MAX)) seen.unshift({ key: seenCount += 1, time, text });
  seen.length = Math.min(seen.length, SEEN_MAX);
  const shown = seen.length ? seen : [{ key: 0, time: "", text: "Nothing yet." }];
  reconcile(byId("seen"), shown, (one) => one.key, (one) => {
    const li = element("li");
    if (one.time) li.append(element("time", "", one.time));
    li.append(element("span", "", one.text));
    return li;
  }, () => {});
}

/** Commands that fit this server: its own address, one of its own workers. */
function commands(view) {
  const tcp = view.listeners.find((one) => !one.address.startsWith("unix:"));
  const url = "http://" + (tcp ? safe(tcp.address) : location.host) + "/";
  const worker = view.workers.find((one) => one.state === "serving");
  const pid = worker ? worker.pid : "WORKER_PID";
  return [
    ["sockeye status", "This page as text; --json gives the document behind both."],
    ["sockeye reload", "A new generation takes over. Keep load on it and count the failures: none."],
    ["sockeye models", "All pairs of models, what they cost and what this kernel offers."],
    ["kill -9 " + pid, "A worker dies. It shows under Last exits, and another one comes."],
    ["while curl -so /dev/null " + shellWord(url) + "; do :; done",
      "A new connection for each request: watch Accepted grow with Requests."],
    ["wrk -t2 -c64 -d30s " + shellWord(url), "64 kept connections: watch how the workers share them."],
    ["ab -k -n 200000 -c 64 " + shellWord(url), "The same with ApacheBench; without -k each request connects anew."],
    [serveCommand(view, "--io-model poll"), "Stop this server, start it again with another model, and compare."],
    ["sockeye serve DIR", "Serve a folder of yours instead of this page."],
  ];
}

function showCommands(view) {
  reconcile(byId("try"), commands(view), ([, why]) => why, ([, why]) => {
    const box = element("div");
    const dt = element("dt");
    dt.append(element("code"));
    box.append(dt, element("dd", "", why));
    return box;
  }, (box, [command]) => setText(box.querySelector("code"), command));
}

function showSource(view) {
  setText(byId("source"), "Master " + view.master_pid + ", configuration " +
    (view.config_file === null ? "none" : safe(view.config_file)) + ", control socket " +
    safe(view.control) + ". The document behind this page: " + STATUS);
}

function show(view, rates, news) {
  showFigures(view, rates);
  showModels(view);
  showFamily(view, rates);
  showListeners(view);
  showGenerations(view);
  showConnections(view);
  showExits(view);
  showSeen(news);
  showCommands(view);
  showSource(view);
}

/* --- Asking ------------------------------------------------------------------------------------ */

const asking = { timer: null, busy: false, failures: 0, view: null, at: 0, answered: 0 };

function say(state, text, notice) {
  setAttribute(byId("live"), "data-state", state);
  setAttribute(byId("main"), "data-state", state);
  setText(byId("live-text"), text);
  byId("notice").hidden = !notice;
  setText(byId("notice-text"), notice);
}

async function fetchStatus() {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ANSWER_MS_MAX);
  try {
    const response = await fetch(STATUS, { cache: "no-store", signal: stop.signal });
    if (!response.ok) throw new Error("it answers " + response.status);
    return await response.json();
  } finally {
    clearTimeout(timer);
  }
}

async function ask() {
  if (asking.busy || document.hidden) return;
  asking.busy = true;
  try {
    const view = await fetchStatus();
    answered(view);
  } catch (error) {
    failed(error);
  }
  asking.busy = false;
  schedule();
}

function answered(view) {
  const now = performance.now();
  const rates = compare(asking.view, view, (now - asking.at) / 1000);
  const news = differences(asking.view, view);
  if (asking.failures >= FAILURES_UNTIL_LOST) news.unshift("the server answers again");
  Object.assign(asking, { failures: 0, view, at: now });
  show(view, rates, news);
  say("live", "live", "");
}

function failed(error) {
  asking.failures += 1;
  if (asking.failures < FAILURES_UNTIL_LOST) return say("late", "no answer yet", "");
  const why = error.name === "AbortError" ? "no answer within " + ANSWER_MS_MAX / 1000 + " seconds"
    : error.message.startsWith("it answers") ? error.message : "no connection";
  say("lost", "not answering", "The server does not answer (" + why + "). Asking again each second.");
  // Apart from the alert, which would be read aloud again whenever the number changes.
  setText(byId("notice-age"),
    asking.view ? "What is below is " + age(performance.now() - asking.at) + " old." : "");
}

function schedule() {
  clearTimeout(asking.timer);
  if (!document.hidden) asking.timer = setTimeout(ask, INTERVAL_MS);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return clearTimeout(asking.timer);
  ask();
});

ask();
