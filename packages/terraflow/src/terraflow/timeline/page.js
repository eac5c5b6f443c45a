"use strict";
// Draws the figures of the page, and of all jobs the bars that are looked at. Everything is data: no name becomes HTML.
const page = JSON.parse(document.getElementById("record").textContent);
const UNENDED = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"];
const ROWS = 40, ROW = 17, NARROW = 600;
const element = (id) => document.getElementById(id);
const utc = (time) => time === null ? "" : new Date(time).toISOString().slice(0, 19).replace("T", " ") + " UTC";
const size = (bytes) => bytes === null ? "" : (bytes / 2 ** 30).toFixed(bytes < 2 ** 30 ? 2 : 1) + " GiB";
const dollars = (amount) => amount === null ? "" : "$" + amount.toFixed(amount < 1 ? 4 : 2);
function duration(ms) {
  const s = Math.round(ms / 1000), parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([unit]) => s >= unit);
  if (first < 0) return (ms / 1000).toFixed(1) + " s";
  const [[unit, name], next] = [parts[first], parts[first + 1]];
  const whole = `${Math.floor(s / unit)} ${name}`;
  return next && s % unit >= next[0] ? `${whole} ${Math.floor(s % unit / next[0])} ${next[1]}` : whole;
}

const jobs = page.jobs.begin.map((begin, i) => {
  const job = Object.fromEntries(Object.entries(page.jobs).map(([name, column]) => [name, column[i]]));
  for (const name of ["process", "sample", "status", "reason", "queue"]) job[name] = page.names[name][job[name]];
  job.steps = job.steps.map((step) => page.names.step[step]);
  job.begin = page.start + begin;
  job.end = job.begin + job.length;
  job.text = [job.process, job.sample, job.rest, job.status, job.reason, job.id, ...job.steps].join(" ").toLowerCase();
  return job;
});

// The phases of a job: pairs of a number, which says the phase and the step, and a length.
function phases(job) {
  const found = [], all = page.phases.length, numbers = job.spans.split(" ").map(Number);
  for (let at = 0; at + 1 < numbers.length; at += 2) {
    const code = numbers[at];
    found.push({phase: page.phases[code % all], step: job.steps[Math.floor(code / all) - 1], length: numbers[at + 1]});
  }
  return found;
}

function tip(job, step) {
  const told = {title: `${job.process} ${job.sample} ${job.rest}`.trim(), "status": job.status};
  if (step) told["rule"] = step;
  if (job.exit !== null) told["exit code"] = job.exit;
  if (job.reason) told["reason"] = job.reason;
  told[job.attempt > 1 ? "lost before" : "submitted"] = utc(job.begin);
  if (!UNENDED.includes(job.status)) told["ended"] = utc(job.end);
  for (const phase of page.phases) {
    const spent = phases(job).filter((span) => span.phase === phase).reduce((sum, span) => sum + span.length, 0);
    if (spent) told[phase] = duration(spent);
  }
  told["asked for"] = `${job.cpus} vCPU, ${size(job.memory)}, disk ${size(job.disk)}`;
  if (job.peak !== null) told["most memory used"] = size(job.peak);
  if (job.cost !== null) told["cost"] = dollars(job.cost);
  told["queue"] = job.queue + (job.spot ? " (Spot)" : "");
  told["Batch job"] = job.id;
  return told;
}

const orders = {
  sample: (a, b) => a.by_sample - b.by_sample,
  rule: (a, b) => a.by_rule - b.by_rule,
  time: () => 0,
};

function shown() {
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = jobs.filter((job) => words.every((word) => job.text.includes(word)));
  const order = element("order").value, slider = element("first");
  found.sort(orders[order]);
  slider.max = Math.max(0, found.length - ROWS);
  slider.parentElement.hidden = found.length <= ROWS;
  const first = Number(slider.value), some = found.slice(first, first + ROWS);
  element("count").textContent = found.length > ROWS
    ? `jobs ${first + 1} to ${first + some.length} of ${found.length}`
    : `${found.length} of ${jobs.length} jobs`;
  const whole = element("span").value === "run";
  const low = whole ? page.start : Math.min(...some.map((job) => job.begin));
  const high = whole ? page.end : Math.max(...some.map((job) => job.end));
  const rows = [], spans = [];
  let odd = false, last = null;
  for (const job of some) {
    const group = {sample: job.sample, rule: job.process, time: ""}[order];
    if (group !== last) odd = !odd;
    last = group;
    const label = (order === "rule" ? [job.process, job.sample, job.rest] : [job.sample, job.process, job.rest])
      .join(" ").trim();
    rows.push({label, odd, low, high, end: job.end, failed: job.failed, tip: tip(job)});
    let start = job.begin;
    for (const span of phases(job)) {
      const end = start + span.length;
      spans.push({label, phase: span.phase, start, end, tip: tip(job, span.step)});
      start = end;
    }
  }
  return {rows, spans};
}

const curves = page.curves.spent.map((_, i) => {
  const part = Object.fromEntries(Object.entries(page.curves).map(([name, column]) => [name, column[i]]));
  part.begin = page.start + i * page.width;
  part.until = part.begin + page.width;
  part.middle = part.begin + page.width / 2;
  part.tip = {time: utc(part.begin), spent: dollars(part.spent)};
  for (const name of [...page.phases, ...page.queues]) part.tip[name] = part[name];
  return part;
});

// Times of an axis: the day, if the run has more than one; seconds, if it is short.
function stamp({rows}) {
  const shortest = rows ? rows[0].high - rows[0].low : page.end - page.start;
  const day = page.end - page.start > 20 * 3600e3 ? "%b %d, " : "";
  return day + (shortest < 600e3 ? "%H:%M:%S" : "%H:%M");
}

let views = {};
async function draw() {
  const room = element("jobs").clientWidth < NARROW ? 130 : 230;
  Object.values(views).forEach((result) => result.finalize());
  views = {};
  for (const [name, spec] of Object.entries(page.figures)) {
    const data = name === "jobs" ? shown() : {curves};
    const params = [{name: "room", value: room}, {name: "stamp", value: stamp(data)}];
    const height = name === "jobs" ? Math.max(1, data.rows.length) * ROW : spec.height;
    const whole = {...spec, height, datasets: data, params};
    views[name] = await vegaEmbed(element(name), whole, {actions: false, renderer: "canvas"});
  }
}

function redraw() {
  const data = shown();
  element("jobs").hidden = !data.rows.length;
  if (!data.rows.length) return;
  views.jobs.view.data("rows", data.rows).data("spans", data.spans).signal("stamp", stamp(data))
    .height(data.rows.length * ROW).resize().runAsync();
}

for (const id of ["search", "first"]) element(id).addEventListener("input", redraw);
for (const id of ["order", "span"]) element(id).addEventListener("change", redraw);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth < NARROW !== width < NARROW) draw();
  width = window.innerWidth;
});
draw().then(() => { document.body.dataset.drawn = "yes"; });
