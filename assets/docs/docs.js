// Shows /api/openapi.json. Everything is put in as text, nothing as HTML.

const WORDS = {
  fr: {
    other: "English", search: "Chercher", parameters: "Paramètres", body: "Corps", answer: "Réponse", example: "Exemple",
    refusals: "Refus", needed: "obligatoire", nothing: "rien",
    failed: "La description n'a pas pu être lue. Le nœud est-il arrêté ? Rechargez la page.",
    intro: "Ce que ce nœud répond en HTTP. L'argent est un texte décimal, jamais un nombre JSON. La même clé " +
      "Idempotency-Key donne la même réponse, aussi après un redémarrage.",
    access: { public: "tous", read: "lire", write: "écrire", owner: "sur ce nœud seulement" },
  },
  en: {
    other: "Français", search: "Search", parameters: "Parameters", body: "Body", answer: "Answer", example: "Example",
    refusals: "Refusals", needed: "required", nothing: "nothing",
    failed: "The description could not be read. Has the node stopped? Reload the page.",
    intro: "What this node answers over HTTP. Money is a decimal text, never a JSON number. The same Idempotency-Key " +
      "gives the same answer, after a restart too.",
    access: { public: "anyone", read: "read", write: "write", owner: "at this node only" },
  },
};

let language = navigator.language.startsWith("en") ? "en" : "fr";
let shown = null;

const $ = (id) => document.getElementById(id);

function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function target(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? shown.components.schemas[name] : schema;
}

/** What a schema asks for, in a line. */
function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.filter((one) => one.maxLength !== 0).map(kind).join(" | ");
  if (schema.type === "array") return `[${kind(schema.items)}]`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type;
  if (schema.type === "object" && schema.properties) return `{${Object.keys(schema.properties).join(", ")}}`;
  return type ?? "";
}

function said(schema) {
  return schema?.description ?? schema?.anyOf?.[0]?.description ?? "";
}

function table(rows) {
  const body = make("tbody");
  for (const cells of rows) body.append(make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  return make("table", {}, body);
}

function fields(schema) {
  const { properties = {}, required = [] } = target(schema) ?? {};
  return Object.entries(properties).map(([name, inner]) => [
    make("code", {}, name), kind(inner), [required.includes(name) ? WORDS[language].needed : "", said(inner)].filter(Boolean).join(" · "),
  ]);
}

function json(value) {
  return make("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
}

function operation(method, path, it) {
  const words = WORDS[language];
  const inner = make("div");
  if (it.parameters) {
    inner.append(make("h3", {}, words.parameters), table(it.parameters.map((one) => [
      make("code", {}, one.name), kind(one.schema), [one.in, one.description].filter(Boolean).join(" · "),
    ])));
  }
  const body = it.requestBody?.content["application/json"];
  if (body) {
    inner.append(make("h3", {}, words.body), table(fields(body.schema)));
    for (const example of Object.values(body.examples)) inner.append(json(example.value));
  }
  const refusals = [];
  for (const [status, response] of Object.entries(it.responses)) {
    const problem = response.content?.["application/problem+json"];
    if (problem) {
      refusals.push([status, make("span", {}, problem.schema.properties.code.enum.join(", "))]);
      continue;
    }
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [words.nothing, null];
    inner.append(make("h3", {}, `${words.answer} ${status} · ${type}`));
    if (!content) continue;
    const rows = fields(content.schema);
    if (rows.length) inner.append(table(rows));
    if (content.example !== undefined) {
      inner.append(make("details", {}, make("summary", {}, words.example), json(content.example)));
    }
  }
  inner.append(make("h3", {}, words.refusals), table(refusals));
  const summary = make("summary", {}, make("span", { class: "method" }, method.toUpperCase()),
    make("span", { class: "path" }, path), make("span", { class: "access" }, words.access[it["x-access"]] ?? ""),
    make("span", { class: "said" }, language === "fr" ? it["x-summary-fr"] : it.summary));
  return make("details", { class: "operation", id: it.operationId }, summary, inner);
}

function show() {
  const words = WORDS[language];
  document.documentElement.lang = language;
  $("language").textContent = words.other;
  $("search-label").textContent = words.search;
  if (!shown) return;
  $("version").textContent = shown.info.version;
  $("intro").textContent = words.intro;
  const wanted = $("search").value.trim().toLowerCase();
  const families = new Map();
  for (const [path, methods] of Object.entries(shown.paths)) {
    for (const [method, it] of Object.entries(methods)) {
      const text = `${method} ${path} ${it.summary} ${it["x-summary-fr"]}`.toLowerCase();
      if (!text.includes(wanted)) continue;
      const family = it.tags[0];
      families.set(family, [...(families.get(family) ?? []), operation(method, path, it)]);
    }
  }
  const names = [...families.keys()].sort();
  $("families").replaceChildren(...names.map((name) => make("a", { href: `#family-${name}` }, name)));
  $("operations").replaceChildren(...names.flatMap((name) => [
    make("h2", { id: `family-${name}` }, name), ...families.get(name),
  ]));
}

$("language").addEventListener("click", () => {
  language = language === "fr" ? "en" : "fr";
  show();
});
$("search").addEventListener("input", show);
show();
try {
  const answer = await fetch("/api/openapi.json");
  if (!answer.ok) throw new Error(answer.statusText);
  shown = await answer.json();
  show();
  document.querySelector(location.hash || "#none")?.setAttribute("open", "");
} catch {
  $("intro").textContent = WORDS[language].failed;
}
