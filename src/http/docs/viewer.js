// Shows the document beside it. Whatever comes from there or from an answer is put in as text.
"use strict";

let described;

const METHODS = ["get", "post", "put", "patch", "delete"];
// What is shown of an answer: a watch has no end.
const SHOWN_MAX = 100000;
// A schema within a schema within a schema is opened by hand.
const DEPTH_MAX = 1;

/** An element with attributes and children, of which texts are texts. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** What a reference leads to, and its name. */
function resolve(value) {
  let name = "";
  while (value && typeof value.$ref === "string" && value.$ref.startsWith("#/")) {
    const path = value.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    name = path.at(-1);
    value = path.reduce((at, key) => at?.[key], described);
  }
  return [value ?? {}, name];
}

/** A text in which what stands in backquotes is code. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/** Type and limits of a schema in a line. */
function limits(schema) {
  const words = [];
  if (schema.type) words.push([schema.type].flat().join(" or "));
  if ("const" in schema) words.push(JSON.stringify(schema.const));
  if (schema.enum) words.push(schema.enum.map((one) => JSON.stringify(one)).join(", "));
  if (schema.format) words.push(`(${schema.format})`);
  for (const [key, sign] of [["minimum", "≥"], ["maximum", "≤"], ["minLength", "characters ≥"],
    ["maxLength", "characters ≤"], ["minItems", "items ≥"], ["maxItems", "items ≤"], ["pattern", "~"]]) {
    if (key in schema) words.push(`${sign} ${schema[key]}`);
  }
  return words.join(" ");
}

function schemaView(value, depth = 0) {
  const [schema, name] = resolve(value);
  const about = element("span", { class: "kind" }, [name, limits(schema)].filter(Boolean).join(": "));
  const parts = [about];
  if (schema.description) parts.push(" ", ...prose(schema.description));
  const inner = members(schema);
  if (inner.length) {
    const list = element("ul", { class: "schema" });
    const fill = () => {
      if (!list.childElementCount) list.append(...inner.map(([label, needed, of]) => member(label, needed, of, depth)));
    };
    const box = element("details", {}, element("summary", {}, ...parts), list);
    box.addEventListener("toggle", fill);
    if (depth < DEPTH_MAX) { fill(); box.open = true; }
    return box;
  }
  return element("span", {}, ...parts);
}

function member(label, needed, of, depth) {
  return element("li", {}, element("code", needed ? { class: "needed" } : {}, label), " ", schemaView(of, depth + 1));
}

/** What a schema is made of: its label, whether it is needed, and its schema. */
function members(schema) {
  const needed = new Set(schema.required ?? []);
  const inner = Object.entries(schema.properties ?? {}).map(([key, of]) => [key, needed.has(key), of]);
  if (schema.additionalProperties instanceof Object) inner.push(["any other", false, schema.additionalProperties]);
  if (schema.items instanceof Object) inner.push(["each", false, schema.items]);
  for (const [key, label] of [["anyOf", "or"], ["oneOf", "either"], ["allOf", "and"]]) {
    for (const of of schema[key] ?? []) inner.push([label, false, of]);
  }
  return inner;
}

function contentView(content) {
  return Object.entries(content ?? {}).map(([type, { schema }]) =>
    element("div", {}, element("code", {}, type), " ", schema ? schemaView(schema) : null));
}

function parametersView(parameters) {
  const row = (parameter) => element("tr", {},
    element("td", {}, element("code", parameter.required ? { class: "needed" } : {}, parameter.name)),
    element("td", {}, parameter.in),
    element("td", {}, ...prose(parameter.description ?? ""), " ", schemaView(parameter.schema)));
  return element("table", {}, element("tbody", {}, parameters.map(row)));
}

function responsesView(responses) {
  const row = ([status, value]) => {
    const [response] = resolve(value);
    const headers = Object.keys(response.headers ?? {}).map((name) => element("code", {}, name + " "));
    return element("tr", {}, element("td", {}, element("strong", {}, status)),
      element("td", {}, ...prose(response.description ?? ""), " ", headers, contentView(response.content)));
  };
  return element("table", {}, element("tbody", {}, Object.entries(responses).map(row)));
}

/** A form that sends what is filled in, and shows what comes back. */
function tryView(path, method, parameters, body) {
  const fields = parameters.map((parameter) => {
    const [schema] = resolve(parameter.schema);
    const input = element("input", { size: "30", placeholder: hint(parameter, schema), "aria-label": parameter.name });
    return { parameter, schema, input };
  });
  const type = Object.keys(body?.content ?? {})[0];
  const text = type === "application/json" ? element("textarea", { "aria-label": "body" }) : null;
  if (text) text.value = method === "post" && path === "/v1/heartbeat" ? '{"service": "auth", "instance": "a1", "port": 8080}' : "{}";
  const answer = element("pre", { hidden: true, tabIndex: 0 });
  const send = element("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    const request = asRequest(path, method, fields, text?.value);
    answer.hidden = false;
    answer.textContent = `${method.toUpperCase()} ${request.url}\n…`;
    answer.textContent = `${method.toUpperCase()} ${request.url}\n\n${await sent(request)}`;
  });
  const rows = fields.map(({ parameter, input }) => element("tr", {},
    element("td", {}, element("label", {}, element("code", {}, parameter.name))), element("td", {}, input)));
  return element("details", {}, element("summary", {}, "Try it"),
    rows.length ? element("table", {}, element("tbody", {}, rows)) : null, text, element("p", {}, send), answer);
}

function hint(parameter, schema) {
  if (schema.type === "array") return "several, by comma";
  if (schema.type === "object") return "txt.path=/login, by comma";
  return parameter.name === "type" && parameter.in === "path" ? "_auth._tcp" : "";
}

/** Where to, and with what: arrays are repeated and objects taken apart, as `form` with `explode` has it. */
function asRequest(path, method, fields, body) {
  const query = new URLSearchParams();
  const headers = {};
  for (const { parameter, schema, input } of fields) {
    const value = input.value;
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    if (value === "" || parameter.in === "path") continue;
    if (parameter.in === "header") headers[parameter.name] = value;
    else if (schema.type === "array") value.split(",").forEach((one) => query.append(parameter.name, one.trim()));
    else if (schema.type === "object") value.split(",").forEach((pair) => query.append(...halves(pair.trim())));
    else query.append(parameter.name, value);
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  return { url: query.size ? `${path}?${query}` : path, options: { method: method.toUpperCase(), headers, body } };
}

function halves(pair) {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
}

async function sent({ url, options }) {
  const stop = new AbortController();
  try {
    const response = await fetch(url, { ...options, signal: stop.signal });
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    return `${response.status} ${response.statusText}\n${headers}\n\n${pretty(await read(response, stop))}`;
  } catch (error) {
    return String(error);
  }
}

/** The beginning of a body, for as long as a person waits. */
async function read(response, stop) {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const late = new Promise((done) => setTimeout(done, 3000, { done: true, late: true }));
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < SHOWN_MAX) {
    const piece = await Promise.race([reader.read(), late]);
    if (piece.done) {
      if (piece.late) { stop.abort(); text += "\n… (goes on)"; }
      return text;
    }
    text += decoder.decode(piece.value, { stream: true });
  }
  stop.abort();
  return text.slice(0, SHOWN_MAX) + "\n… (goes on)";
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function operationView(path, method, operation) {
  const parameters = (operation.parameters ?? []).map((one) => resolve(one)[0]);
  const inside = element("div", {});
  const box = element("details", { class: "operation", id: operation.operationId },
    element("summary", {}, element("span", { class: `method ${method}` }, method), element("span", { class: "path" }, path),
      element("span", {}, operation.summary ?? "")), inside);
  box.dataset.words = [method, path, operation.summary, operation.operationId].join(" ").toLowerCase();
  box.addEventListener("toggle", () => {
    if (inside.childElementCount) return;
    const part = (title, ...views) => (views.length ? [element("h3", {}, title), ...views] : []);
    inside.append(
      ...(operation.description ? [element("p", {}, ...prose(operation.description))] : []),
      ...(parameters.length ? part("Parameters", parametersView(parameters)) : []),
      ...(operation.requestBody
        ? part("Body", element("p", {}, operation.requestBody.description ?? ""), ...contentView(operation.requestBody.content))
        : []),
      ...part("Answers", responsesView(operation.responses)),
      tryView(path, method, parameters, operation.requestBody));
  });
  return box;
}

function show() {
  const { info, tags, paths } = described;
  document.getElementById("title").textContent = `${info.title} ${info.version}`;
  document.getElementById("about").replaceChildren(...prose(`${info.summary}. ${info.description}`), " ",
    element("a", { href: "/openapi.json" }, "/openapi.json"));
  const sections = tags.map(({ name, description }) => {
    const views = Object.entries(paths).flatMap(([path, item]) => METHODS
      .filter((method) => item[method]?.tags.includes(name))
      .map((method) => operationView(path, method, item[method])));
    return element("section", {}, element("h2", {}, name, element("small", {}, description)), views);
  });
  document.getElementById("operations").replaceChildren(...sections);
  document.getElementById("find").addEventListener("input", ({ target }) => filter(target.value.toLowerCase()));
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (wanted) { wanted.open = true; wanted.scrollIntoView(); }
}

function filter(words) {
  for (const section of document.querySelectorAll("section")) {
    const boxes = [...section.querySelectorAll("details.operation")];
    for (const box of boxes) box.hidden = !words.split(/\s+/).every((word) => box.dataset.words.includes(word));
    section.hidden = boxes.every((box) => box.hidden);
  }
}

fetch("/openapi.json").then((response) => response.json()).then((read) => { described = read; show(); }).catch((error) => {
  document.getElementById("about").textContent = `The document cannot be read: ${error}`;
});
