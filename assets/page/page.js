// The page of a node. It shows what `/api/v1` answers and decides nothing about money.
//
// - Texts reach the page through textContent only: names of beneficiaries may contain markup.
// - Amounts are decimal strings from the field to the API and back; no arithmetic is done on them.
// - A POST is kept with its Idempotency-Key until an answer came, a reload of the page included: trying again then
//   records nothing twice.
// - `events` says when to ask for `status` again; it is asked for every 10 s besides, and every 2 s while no events
//   come. Lists are loaded again only when `state_digest` says that something changed, or another device is in step.
"use strict";

// One text a line: French, English. `{name}` is filled in.
const TEXTS = {
  skip: ["Aller au contenu", "Skip to content"],
  other_language: ["English", "Français"],
  other_language_label: ["Switch to English", "Passer au français"],
  place: ["{shop} (agence {id}) · appareil {device}", "{shop} (shop {id}) · device {device}"],
  place_no_shop: ["Appareil {device}", "Device {device}"],
  loading: ["Chargement…", "Loading…"],
  node_silent: ["Ce nœud ne répond pas : ce qui est affiché a {age}", "This node does not answer: what is shown is {age} old"],
  not_durable: ["Le disque n'écrit pas : ceci peut ne pas être enregistré", "The disk is not writing: this may not be recorded"],
  node_silent_first: ["Ce nœud ne répond pas", "This node does not answer"],
  connected_one: ["1 appareil connecté, {sync}", "1 device connected, {sync}"],
  connected_many: ["{n} appareils connectés, {sync}", "{n} devices connected, {sync}"],
  in_step: ["à jour {age}", "up to date {age}"],
  in_step_never: ["pas encore à jour", "not yet up to date"],
  comparing: ["comparaison en cours, dernière mise à jour {age}", "comparing, last up to date {age}"],
  alone_since: ["Seul : rien n'a été transmis depuis {since}", "Alone: nothing has been passed on for {since}"],
  alone_ever: ["Seul : rien n'a jamais été transmis à un autre appareil", "Alone: nothing has ever been passed on to another device"],
  pending_none: ["Toutes les opérations de cet appareil sont confirmées ailleurs", "All operations of this device are confirmed elsewhere"],
  pending_one: ["1 opération en attente, sur cet appareil seulement", "1 operation pending, on this device only"],
  pending_many: ["{n} opérations en attente, sur cet appareil seulement", "{n} operations pending, on this device only"],
  conflicts_one: ["1 conflit à examiner", "1 conflict to look at"],
  conflicts_many: ["{n} conflits à examiner", "{n} conflicts to look at"],
  conflicts: ["Conflits", "Conflicts"],
  conflicts_why: ["Des appareils qui ne se voyaient pas ont fait des choses qui ne vont pas ensemble. Chaque conflit dit ce qui a été décidé et ce qui reste à faire.", "Devices that did not see each other did things that do not go together. Each conflict says what was decided and what is left to do."],
  no_conflicts: ["Aucun conflit à examiner.", "No conflict to look at."],
  more_conflicts: ["Il y en a d'autres : ils viennent quand ceux-ci sont traités.", "There are more: they come as these are dealt with."],
  conflicts_back: ["Tous les conflits", "All conflicts"],
  conflict: ["Conflit", "Conflict"],
  conflict_decision: ["Décidé", "Decided"],
  conflict_rule: ["Règle", "Rule"],
  conflict_todo: ["À faire", "To do"],
  conflict_credit: ["Crédit", "Credit"],
  conflict_handled: ["Traité", "Dealt with"],
  conflict_sides: ["Qui a fait quoi", "Who did what"],
  decide_title: ["Traiter ce conflit", "Deal with this conflict"],
  decide_what: ["Décision", "Decision"],
  decide_side: ["Valeur à prendre", "Value to take"],
  decide_send: ["Enregistrer la décision", "Record the decision"],
  decide_handled: ["C'est vu et réglé", "Seen and settled"],
  decide_give_back: ["L'argent de trop est rendu", "The extra money is given back"],
  decide_reinstate: ["Rétablir le crédit", "Reinstate the credit"],
  decide_cancel: ["Annuler le crédit", "Cancel the credit"],
  decide_renumber: ["Donner un autre numéro au crédit", "Give the credit another number"],
  decide_take: ["Prendre une autre valeur", "Take another value"],
  new_reference: ["Nouvelle référence", "New reference"],
  decided_ok: ["Décision enregistrée.", "Decision recorded."],
  ago: ["il y a {since}", "{since} ago"],
  access_title: ["Accès", "Access"],
  access_why: ["Cette page est ouverte depuis une autre machine : il faut un jeton d'accès de ce nœud.", "This page is open on another machine: an access token of this node is needed."],
  access_token: ["Jeton", "Token"],
  access_enter: ["Entrer", "Enter"],
  balances: ["Soldes des SIM", "SIM balances"],
  no_sims: ["Aucune SIM dans cette agence.", "No SIM in this shop."],
  inactive: ["inactive", "inactive"],
  this_device: ["dont cet appareil : {amount}", "this device: {amount}"],
  bounds: ["au moins {least}, au plus {most}", "at least {least}, at most {most}"],
  silent_since: ["« {device} » n'a pas donné de nouvelles depuis le {at}", "Nothing was heard of “{device}” since {at}"],
  silent_ever: ["« {device} » n'a encore jamais donné de nouvelles", "Nothing was ever heard of “{device}”"],
  shares_open: ["Qui détient le reste ?", "Who holds the rest?"],
  shares_open_label: ["Qui détient le reste de la SIM {sim} ?", "Who holds the rest of SIM {sim}?"],
  shares_title: ["Parts de la SIM {sim}", "Shares of SIM {sim}"],
  share_here: ["cet appareil", "this device"],
  share_connected: ["en contact", "in contact"],
  share_seen: ["vu le {at}", "seen {at}"],
  share_never: ["jamais vu", "never seen"],
  share_closed: ["fermé : un autre appareil prend la suite", "closed: another device takes over"],
  share_given: ["{amount} en chemin, de {from} à {to}", "{amount} on its way, from {from} to {to}"],
  share_back: ["{amount} en retour : crédits annulés que tous les appareils ne savent pas encore annulés", "{amount} coming back: cancelled credits, not yet known to be by all devices"],
  ask_title: ["Demander une part", "Ask for a share"],
  ask_why: ["Les appareils en contact donnent ce qui manque, aussitôt et d'eux-mêmes.", "Devices in contact give what is lacking, at once and by themselves."],
  ask_send: ["Demander une part", "Ask for a share"],
  asked_ok: ["La part demandée est arrivée.", "The share asked for has come."],
  credits: ["Crédits", "Credits"],
  no_credits: ["Aucun crédit ne correspond.", "No credit matches."],
  filter_text: ["Nom, téléphone ou référence entière", "Name, phone or whole reference"],
  filter_text_hint: ["Rechercher", "Search"],
  filter_status: ["Statut", "Status"],
  filter_sim: ["SIM", "SIM"],
  all_statuses: ["Tous", "All"],
  all_sims: ["Toutes", "All"],
  more: ["Afficher la suite", "Show more"],
  accorde: ["Accordé", "Granted"],
  partiellementPaye: ["Payé en partie", "Partly paid"],
  enRetard: ["En retard", "Overdue"],
  paye: ["Payé", "Paid"],
  annule: ["Annulé", "Cancelled"],
  remaining_of: ["reste {amount}", "{amount} left"],
  grant_open: ["Accorder un crédit", "Grant a credit"],
  grant_title: ["Accorder un crédit", "Grant a credit"],
  grant_send: ["Accorder", "Grant"],
  granted_ok: ["Crédit {reference} accordé.", "Credit {reference} granted."],
  close: ["Fermer", "Close"],
  sim: ["SIM", "SIM"],
  currency: ["Devise", "Currency"],
  amount: ["Montant", "Amount"],
  reference: ["Référence", "Reference"],
  beneficiary_name: ["Bénéficiaire", "Beneficiary"],
  phone: ["Téléphone", "Phone"],
  address: ["Adresse", "Address"],
  kind: ["Type", "Kind"],
  kind_shop: ["Agence", "Shop"],
  kind_partner: ["Partenaire", "Partner"],
  kind_other: ["Autre", "Other"],
  due: ["Échéance", "Due date"],
  agent: ["Agent", "Agent"],
  notes: ["Notes", "Notes"],
  spendable: ["Cet appareil peut utiliser {amount}", "This device may spend {amount}"],
  paid: ["Payé", "Paid"],
  remaining: ["Reste", "Left"],
  overpaid: ["Payé en trop", "Overpaid"],
  granted_at: ["Accordé le", "Granted"],
  paid_at: ["Payé le", "Paid on"],
  cancelled_at: ["Annulé le", "Cancelled"],
  by_device: ["appareil {device}", "device {device}"],
  known_by: ["Connu de", "Known by"],
  known_here: ["cet appareil seulement", "this device only"],
  known_many: ["{n} appareils : {names}", "{n} devices: {names}"],
  pay_title: ["Encaisser un paiement", "Take a payment"],
  pay_send: ["Enregistrer le paiement", "Record the payment"],
  paid_ok: ["Paiement enregistré.", "Payment recorded."],
  mode: ["Mode", "Mode"],
  mode_cash: ["Espèces", "Cash"],
  mode_mobile_money: ["Mobile money", "Mobile money"],
  mode_virement: ["Virement", "Bank transfer"],
  payment_reference: ["Référence du paiement", "Payment reference"],
  payments: ["Paiements", "Payments"],
  no_payments: ["Aucun paiement.", "No payment."],
  reversed: ["contre-passé", "reversed"],
  history: ["Historique", "History"],
  event_grant: ["Crédit accordé", "Credit granted"],
  event_pay: ["Paiement", "Payment"],
  event_reverse_payment: ["Paiement contre-passé", "Payment reversed"],
  event_cancel: ["Annulation", "Cancellation"],
  event_give_back: ["Argent rendu", "Money given back"],
  event_reinstate: ["Crédit rétabli", "Credit reinstated"],
  event_renumber: ["Nouvelle référence", "New reference"],
  event_edit: ["Modification", "Edit"],
  event_other: ["Autre opération", "Other operation"],
  cancel_title: ["Annuler ce crédit…", "Cancel this credit…"],
  cancel_send: ["Annuler le crédit", "Cancel the credit"],
  cancelled_ok: ["Crédit annulé.", "Credit cancelled."],
  reason: ["Motif", "Reason"],
  unanswered: ["Pas de réponse : l'opération est peut-être enregistrée. Réessayez : elle ne le sera pas deux fois.", "No answer: the operation may have been recorded. Try again: it will not be recorded twice."],
  sending: ["Envoi…", "Sending…"],
  retry: ["Réessayer", "Try again"],
  failed: ["La demande a échoué ({status}).", "The request failed ({status})."],
};

const POLL_MS = 2000;
/** Between two questions while events come, which say what is worth asking. */
const LIVE_POLL_MS = 10000;
/** Events come in swarms: one question for all of them. */
const SWARM_MS = 150;
/** A stream without a sign of life for so long is dead; the node gives one every 15 s. */
const DEAF_MS = 40000;
const READ_MS = 10000;
const WRITE_MS = 40000;
const PAGE_ITEMS = 50;
const PAGE_ITEMS_MAX = 1000;
const FORMS = { grant: "granted_ok", pay: "paid_ok", cancel: "cancelled_ok", ask: "asked_ok", decide: "decided_ok" };

const byId = (id) => document.getElementById(id);
const filters = byId("filters");
const forms = { grant: byId("grant"), pay: byId("pay"), cancel: byId("cancel"), ask: byId("ask"), decide: byId("decide") };
const dialogs = {
  grant: byId("grant-dialog"), shares: byId("shares-dialog"), card: byId("card-dialog"),
  inbox: byId("inbox-dialog"), conflict: byId("conflict-dialog"),
};

let lang = stored(localStorage, "ucash.lang") === "en" ? "en" : "fr";
let status = null;
let statusAt = 0;
let silent = false;
/** Whether the node says that what it shows may not be on its disk yet. */
let undurable = false;
let shown = "";
let sims = [];
let credits = [];
let next = null;
let listing = 0;
let card = null;
let shares = null;
let inbox = null;
let conflict = null;
/** Whether the form to grant a credit is to be taken up again once a share has come. */
let resume = false;
let notice = null;
let outbox = readOutbox();
let sending = false;

// ---- Texts ----

function t(key, facts = {}) {
  const text = TEXTS[key][lang === "fr" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, name) => String(facts[name] ?? ""));
}

/** The text for one or for many. */
function counted(one, many, n) {
  return t(n === 1 ? one : many, { n });
}

/** A word of the API in the reader's language; one that is not known yet is shown as it is. */
function word(prefix, value) {
  return Object.hasOwn(TEXTS, prefix + value) ? t(prefix + value) : value;
}

/** `1234567.50` as `1 234 567.50`, with narrow blanks that do not break, and its currency where none stands by. */
function money(amount, currency) {
  const [whole, cents] = amount.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${grouped}${cents === undefined ? "" : `.${cents}`}${currency ? `\u00a0${currency}` : ""}`;
}

/** What was typed as the API reads it: no blanks, and a decimal comma as a point. `1,200` is left to be refused. */
function typedAmount(text) {
  return text.replace(/[\s\u00a0\u202f]/g, "").replace(/,(\d{1,2})$/, ".$1");
}

/** Whether a decimal string says nothing but zero. */
function isZero(amount) {
  return /^[0.]*$/.test(amount);
}

function moment(text, isDay) {
  const style = isDay ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  const locale = lang === "fr" ? "fr-FR" : "en-GB";
  return new Intl.DateTimeFormat(locale, { ...style, timeZone: status?.time_zone ?? "UTC" }).format(new Date(text));
}

/** A span of time, one unit of it. */
function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [n, unit] = seconds < 60 ? [seconds, "second"]
    : seconds < 3600 ? [Math.floor(seconds / 60), "minute"]
      : seconds < 172800 ? [Math.floor(seconds / 3600), "hour"] : [Math.floor(seconds / 86400), "day"];
  const short = { second: "s", minute: "min", hour: "h", day: lang === "fr" ? "j" : "d" };
  return `${n}\u00a0${short[unit]}`;
}

// ---- Building blocks ----

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function holding(name, children, className) {
  const made = element(name, null, className);
  made.replaceChildren(...children.filter(Boolean));
  return made;
}

function badge(value) {
  const made = element("span", word("", value), "badge");
  made.dataset.status = value;
  return made;
}

/** Sets a text only where it differs, so that a reader aloud is not told the same every 2 s. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function stored(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

function store(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch {
    // A browser that keeps nothing still shows everything.
  }
}

// ---- The API ----

/** An answer that says no. */
class Refused extends Error {
  constructor(code, problem) {
    super(problem?.detail ?? t("failed", { status: code }));
    this.status = code;
    this.field = problem?.field;
    this.lacks = problem?.code === "insufficient_share" ? problem.currency : null;
  }
}

/** Asks the API. Throws `Refused` for an answer that says no, anything else where no whole answer came. */
async function ask(path, post) {
  const headers = { "Accept-Language": lang };
  const token = stored(sessionStorage, "ucash.token");
  if (token) headers.Authorization = `Bearer ${token}`;
  const request = { headers, cache: "no-store", signal: AbortSignal.timeout(post ? WRITE_MS : READ_MS) };
  if (post) {
    request.method = "POST";
    request.body = post.body;
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = post.key;
  }
  const response = await fetch(`/api/v1/${path}`, request);
  undurable = response.headers.get("Ucash-Durable") === "no";
  const text = await response.text();
  let value = null;
  try {
    value = text === "" ? null : JSON.parse(text);
  } catch (error) {
    if (response.ok) throw error;
  }
  if (response.status === 401) {
    store(sessionStorage, "ucash.token", null);
    byId("access").hidden = false;
  }
  if (!response.ok) throw new Refused(response.status, value);
  return value;
}

// ---- What was asked for and not answered yet ----

function readOutbox() {
  try {
    const kept = JSON.parse(stored(sessionStorage, "ucash.outbox") ?? "null");
    return kept && Object.hasOwn(FORMS, kept.form) ? kept : null;
  } catch {
    return null;
  }
}

function keepOutbox(value) {
  outbox = value;
  store(sessionStorage, "ucash.outbox", value && JSON.stringify(value));
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends a form's request; nothing else can be sent until it is answered. */
function send(form, path, body) {
  if (outbox || sending) return;
  keepOutbox({ form, path, body: JSON.stringify(body), key: newKey() });
  deliver();
}

async function deliver() {
  if (!outbox || sending) return;
  const { form, path, body, key } = outbox;
  sending = true;
  notice = null;
  showNotice();
  try {
    const credit = await ask(path, { body, key });
    keepOutbox(null);
    notice = { kind: "done", text: t(FORMS[form], { reference: credit?.reference }) };
    forms[form].reset();
    if (form === "cancel") byId("cancel-part").open = false;
    if (form === "grant" && location.hash === "#grant") leave();
    if (form === "ask" && resume) location.hash = "#grant";
    if (form !== "grant" && card?.id === credit?.id) forms.pay.dataset.for = "";
    refresh();
  } catch (error) {
    // Only an answer that says no is one. After any other, the same key tells.
    if (error instanceof Refused && error.status < 500) {
      keepOutbox(null);
      notice = { kind: "error", text: error.message };
      if (form === "grant" && error.lacks) notice.lacks = { sim: forms.grant.elements.sim.value, currency: error.lacks };
      markField(forms[form], error.field);
    } else {
      notice = error instanceof Refused ? { kind: "unanswered", text: `${error.message} ` } : null;
    }
  } finally {
    sending = false;
    showNotice();
    keepFocus(form);
  }
}

/** The keyboard stays in the dialog: the fieldset that was not to be touched meanwhile has lost it. */
function keepFocus(form) {
  if (document.activeElement !== document.body) return;
  const dialog = forms[form].closest("dialog[open]");
  const wrong = dialog?.querySelector("[aria-invalid]") ?? dialog?.querySelector(".notice button, .notice .button");
  (wrong ?? dialog?.querySelector(".close"))?.focus();
}

function markField(form, field) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  const input = field && form.elements.namedItem(field);
  if (input) input.setAttribute("aria-invalid", "true");
}

function showNotice() {
  const waiting = outbox !== null;
  const kind = sending || waiting ? "unanswered" : notice?.kind;
  const text = sending ? t("sending") : waiting ? `${notice?.text ?? ""}${t("unanswered")}` : notice?.text;
  for (const place of document.querySelectorAll(".notice[role=alert]")) {
    place.hidden = !text;
    place.dataset.kind = kind ?? "";
    const parts = [element("p", text ?? "")];
    if (waiting && !sending) {
      const retry = element("button", t("retry"));
      retry.type = "button";
      retry.addEventListener("click", deliver);
      parts.push(retry);
    }
    if (notice?.lacks && !waiting && !place.closest("#shares-dialog")) parts.push(askLink(notice.lacks.sim));
    place.replaceChildren(...parts);
    if (text && !sending && place.closest("dialog")?.open) place.scrollIntoView({ block: "nearest" });
  }
  for (const form of Object.values(forms)) form.querySelector("fieldset").disabled = waiting || sending;
}

function clearNotice() {
  notice = null;
  showNotice();
}

/** Where to ask for a share of a SIM, and then to go on with the credit. */
function askLink(sim) {
  const link = element("a", t("ask_title"), "button");
  link.href = sharesHash(sim);
  link.addEventListener("click", () => { resume = true; });
  return link;
}

// ---- Status ----

let live = false;
let lastEvent = null;
let pollTimer = 0;
let polling = false;
let pollAgain = false;

function pollIn(milliseconds) {
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, milliseconds);
}

/** Something changed, or may have. */
function pollSoon() {
  if (polling) pollAgain = true;
  else pollIn(SWARM_MS);
}

async function poll() {
  // Asking on without a token would count as guessing.
  if (!byId("access").hidden) {
    pollIn(POLL_MS);
    return;
  }
  polling = true;
  pollAgain = false;
  try {
    status = await ask("status");
    statusAt = Date.now();
    silent = false;
  } catch (error) {
    silent = !(error instanceof Refused && error.status < 500);
  }
  showStatus();
  if (status && !silent && stateOf(status) !== shown) await refresh();
  polling = false;
  pollIn(pollAgain ? SWARM_MS : live ? LIVE_POLL_MS : POLL_MS);
}

/** Reads events for as long as the page is open; whatever ends a stream, another is begun where it ended. */
async function follow() {
  // EventSource cannot bear a token.
  if (byId("access").hidden) {
    try {
      await listen();
    } catch {
      // Polling goes on, and says whether the node answers.
    }
    if (live) pollSoon();
    live = false;
  }
  setTimeout(follow, POLL_MS);
}

async function listen() {
  const headers = {};
  const token = stored(sessionStorage, "ucash.token");
  if (token) headers.Authorization = `Bearer ${token}`;
  if (lastEvent) headers["Last-Event-ID"] = lastEvent;
  const deaf = new AbortController();
  const response = await fetch("/api/v1/events", { headers, cache: "no-store", signal: deaf.signal });
  if (!response.ok) return;
  live = true;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => deaf.abort(), DEAF_MS);
    const { value, done } = await reader.read();
    clearTimeout(timer);
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const id = block.split("\n").find((line) => line.startsWith("id: "));
      if (!id) continue;
      lastEvent = id.slice("id: ".length);
      pollSoon();
    }
  }
}

function linkState() {
  if (silent) {
    const age = span(Date.now() - statusAt);
    return ["bad", status ? t("node_silent", { age }) : t("node_silent_first")];
  }
  if (!status) return ["unknown", t("loading")];
  if (undurable) return ["bad", t("not_durable")];
  const connected = status.peers.filter((peer) => peer.connected);
  // Both times are the node's own: this browser's clock may be another.
  const since = status.last_sync_time && span(Date.parse(status.now) - Date.parse(status.last_sync_time));
  if (connected.length === 0) return ["warn", since ? t("alone_since", { since }) : t("alone_ever")];
  const inStep = connected.some((peer) => peer.in_step);
  const sync = !since ? t("in_step_never") : t(inStep ? "in_step" : "comparing", { age: t("ago", { since }) });
  const key = connected.length === 1 ? "connected_one" : "connected_many";
  return [since && inStep ? "good" : "warn", t(key, { n: connected.length, sync })];
}

function showStatus() {
  const [state, text] = linkState();
  byId("link").dataset.state = state;
  setText(byId("link"), text);
  if (!status) return;
  setText(byId("network"), status.network);
  document.title = `${status.shop || status.device} · ${status.network}`;
  const facts = { shop: status.shop, id: status.shop_id, device: status.device };
  setText(byId("place"), t(status.shop ? "place" : "place_no_shop", facts));
  const pending = status.pending_count;
  byId("pending").dataset.state = pending === 0 ? "good" : "warn";
  setText(byId("pending"), pending === 0 ? t("pending_none") : counted("pending_one", "pending_many", pending));
  const open = status.conflicts_open;
  byId("conflicts").hidden = open === 0;
  byId("conflicts").dataset.state = "bad";
  setText(byId("conflicts").firstElementChild, counted("conflicts_one", "conflicts_many", open));
}

/** What is shown follows from this: what is held, and who is in step, since a balance is surer then. */
function stateOf({ state_digest: digest, peers }) {
  return [digest, ...peers.filter((peer) => peer.in_step).map((peer) => peer.device_key).sort()].join(" ");
}

/** Loads everything on screen again. What fails is tried again with the next status. */
async function refresh() {
  const digest = status ? stateOf(status) : "";
  try {
    await Promise.all([
      loadSims(), loadCredits(true), card && loadCard(card.id), shares && loadShares(shares.sim),
      inbox && loadInbox(), conflict && loadConflict(conflict.id),
    ]);
    shown = digest;
  } catch (error) {
    shown = "";
    if (error instanceof Refused && error.status !== 401) {
      notice = { kind: "error", text: error.message };
      showNotice();
    }
  }
}

function shopQuery() {
  return new URLSearchParams(status?.shop_id > 0 ? { shop: status.shop_id } : {});
}

// ---- SIMs ----

async function loadSims() {
  sims = (await ask(`sims?${shopQuery()}`)).items;
  showSims();
}

function showSims() {
  const list = byId("sims");
  const focused = list.contains(document.activeElement) ? document.activeElement.hash : null;
  list.replaceChildren(...sims.map((sim) => {
    const accounts = Object.entries(sim.balances).map(([currency, account]) => holding("div", [
      element("dt", currency),
      element("dd", money(account.available), "money"),
      isUnsure(account)
        && element("dd", t("bounds", { least: money(account.at_least), most: money(account.at_most, currency) }), "unsure"),
      account.this_device !== account.available
        && element("dd", t("this_device", { amount: money(account.this_device, currency) }), "hint"),
    ]));
    const name = [element("span", sim.sim, "money"), element("span", sim.operator, "soft")];
    if (!sim.active) name.push(element("span", t("inactive"), "badge"));
    const isSplit = Object.values(sim.balances).some((account) => account.this_device !== account.available);
    return holding("li", [
      holding("p", name, "name"), holding("dl", accounts, "accounts"), ...silences(sim), isSplit && sharesLink(sim.sim),
    ]);
  }));
  if (focused) [...list.querySelectorAll("a")].find((link) => link.hash === focused)?.focus();
  byId("no-sims").hidden = sims.length > 0;
  fillChoice(filters.elements.sim, [["", t("all_sims")], ...sims.map((sim) => [sim.sim, `${sim.sim} ${sim.operator}`])]);
  const usable = sims.filter((sim) => sim.active);
  fillChoice(forms.grant.elements.sim, usable.map((sim) => [sim.sim, `${sim.operator} ${sim.sim}`]));
  showSpendable();
}

/** Whether a device that is silent may have spent of it. */
function isUnsure(account) {
  return account.oldest_heard !== null && account.at_least !== account.at_most;
}

/** Who is silent and may have spent, and since when: once, whichever the currency. */
function silences(sim) {
  const texts = Object.values(sim.balances).filter(isUnsure).map(({ oldest_heard: { device, at } }) => {
    return at ? t("silent_since", { device, at: moment(at) }) : t("silent_ever", { device });
  });
  return [...new Set(texts)].map((text) => element("p", text, "unsure"));
}

// ---- Shares of a SIM ----

function sharesHash(sim) {
  return `#shares/${encodeURIComponent(sim)}`;
}

function sharesLink(sim) {
  const link = element("a", t("shares_open"), "more");
  link.href = sharesHash(sim);
  link.setAttribute("aria-label", t("shares_open_label", { sim }));
  return link;
}

async function loadShares(sim) {
  const view = await ask(`sims/${encodeURIComponent(sim)}/shares`);
  if (decodeURIComponent(location.hash.slice(1)) !== `shares/${sim}`) return;
  shares = { sim, view };
  showShares();
  if (dialogs.shares.open) return;
  dialogs.shares.showModal();
  forms.ask.elements.ask.focus();
}

function showShares() {
  const { view } = shares;
  byId("shares-title").textContent = t("shares_title", { sim: view.sim });
  byId("shares-facts").replaceChildren(...Object.entries(view.shares).flatMap(([currency, holders]) => {
    const back = view.coming_back[currency] ?? "0.00";
    const lines = [
      ...holders.map((holder) => holding("li", [
        element("span", holder.device, "name"),
        element("span", money(holder.share, currency), "money"),
        element("span", shareState(holder), "soft"),
      ])),
      ...(view.on_the_way[currency] ?? []).map(({ from, to, amount }) => holding("li", [
        element("span", t("share_given", { from, to, amount: money(amount, currency) }), "soft"),
      ])),
      !isZero(back) && holding("li", [element("span", t("share_back", { amount: money(back, currency) }), "soft")]),
    ];
    return [element("h3", currency), holding("ul", lines, "lines shares")];
  }));
}

function shareState(holder) {
  if (holder.closed) return t("share_closed");
  if (holder.this_device) return t("share_here");
  if (holder.connected) return t("share_connected");
  return holder.last_seen ? t("share_seen", { at: moment(holder.last_seen) }) : t("share_never");
}

function fillChoice(select, choices) {
  const chosen = select.value;
  select.replaceChildren(...choices.map(([value, text]) => {
    const option = element("option", text);
    option.value = value;
    return option;
  }));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

function showSpendable() {
  const { sim, currency } = forms.grant.elements;
  const account = sims.find((known) => known.sim === sim.value)?.balances[currency.value];
  const amount = account && money(account.this_device, currency.value);
  setText(byId("spendable"), amount ? t("spendable", { amount }) : "");
}

// ---- Credits ----

function creditQuery(limit) {
  const query = shopQuery();
  query.set("limit", String(limit));
  const { status: state, sim } = filters.elements;
  if (state.value) query.set("status", state.value);
  if (sim.value) query.set("sim", sim.value);
  return query;
}

/** The list from its beginning, or its next page. A refresh keeps as many as were on screen. */
async function loadCredits(fromStart) {
  const turn = ++listing;
  const keep = Math.min(PAGE_ITEMS_MAX, Math.max(PAGE_ITEMS, credits.length));
  const query = creditQuery(fromStart ? keep : PAGE_ITEMS);
  const text = filters.elements.text.value.trim();
  if (text) query.set("beneficiary", text);
  if (!fromStart && next) query.set("after", next);
  const [page, named] = await Promise.all([ask(`credits?${query}`), fromStart && text ? byReference(text) : []]);
  if (turn !== listing) return;
  const known = fromStart ? named : credits;
  const ids = new Set(known.map((credit) => credit.id));
  credits = [...known, ...page.items.filter((credit) => !ids.has(credit.id))];
  next = page.next;
  showCredits();
}

/** Credits of exactly that reference. What cannot be a reference finds none. */
async function byReference(text) {
  const query = creditQuery(PAGE_ITEMS);
  query.set("reference", text);
  try {
    return (await ask(`credits?${query}`)).items;
  } catch (error) {
    if (error instanceof Refused && error.status === 422) return [];
    throw error;
  }
}

function showCredits() {
  const list = byId("credits");
  const focused = list.contains(document.activeElement) ? document.activeElement.hash : null;
  list.replaceChildren(...credits.map((credit) => {
    const isOpen = !isZero(credit.remaining) && credit.remaining !== credit.amount && credit.status !== "annule";
    const amounts = [
      element("span", money(credit.amount, credit.currency), "money"),
      isOpen && element("span", ` ${t("remaining_of", { amount: money(credit.remaining, credit.currency) })}`, "soft money"),
    ];
    const link = holding("a", [
      element("span", credit.beneficiary.name, "name"),
      element("span", `${credit.reference} · ${moment(credit.granted_at, true).replaceAll(" ", "\u00a0")}`, "soft reference"),
      holding("span", amounts, "end amounts"),
      holding("span", [badge(credit.status)], "end"),
    ]);
    link.href = `#${credit.id}`;
    return holding("li", [link]);
  }));
  if (focused) [...list.querySelectorAll("a")].find((link) => link.hash === focused)?.focus();
  byId("no-credits").hidden = credits.length > 0;
  byId("more").hidden = !next;
}

/** Does what was asked for by hand, and says why where it fails. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    notice = { kind: "error", text: error instanceof Refused ? error.message : t("node_silent_first") };
    showNotice();
  }
}

// ---- A credit's card ----

async function loadCard(id) {
  const path = `credits/${encodeURIComponent(id)}`;
  const [credit, history] = await Promise.all([ask(path), ask(`${path}/history`)]);
  // One that went since then is not told of.
  const told = await Promise.allSettled(credit.conflicts.map((one) => ask(`conflicts/${encodeURIComponent(one)}`)));
  const open = told.filter((one) => one.value).map((one) => one.value);
  if (location.hash !== `#${id}`) return;
  card = { id, credit, history: history.items, conflicts: open };
  showCard();
  if (!dialogs.card.open) dialogs.card.showModal();
}

function showCard() {
  const { credit, history } = card;
  const cash = (amount) => money(amount, credit.currency);
  byId("card-title").textContent = credit.reference;
  const big = [["amount", credit.amount], ["paid", credit.paid], ["remaining", credit.remaining]];
  const sums = big.map(([key, amount]) => holding("div", [element("p", t(key), "soft"), element("p", cash(amount), "money")]));
  const { name, phone, address, kind } = credit.beneficiary;
  const kinds = { shop: "kind_shop", partenaire: "kind_partner", autre: "kind_other" };
  const facts = [
    ["overpaid", isZero(credit.overpaid) ? null : cash(credit.overpaid)],
    ["beneficiary_name", name],
    ["kind", Object.hasOwn(kinds, kind) ? t(kinds[kind]) : kind],
    ["phone", phone],
    ["address", address],
    ["sim", credit.sim],
    ["granted_at", `${moment(credit.granted_at)}, ${who(credit)}`],
    ["due", credit.due_at && moment(credit.due_at, true)],
    ["paid_at", credit.paid_at && moment(credit.paid_at)],
    ["cancelled_at", credit.cancelled_at && moment(credit.cancelled_at)],
    ["notes", credit.notes],
    ["known_by", credit.seen_by > 1 ? t("known_many", { n: credit.seen_by, names: credit.seen_by_devices.join(", ") }) : t("known_here")],
  ].filter(([, value]) => value).flatMap(([key, value]) => [element("dt", t(key)), element("dd", value)]);
  byId("card-facts").replaceChildren(badge(credit.status), holding("div", sums, "big"), holding("dl", facts));

  byId("card-conflicts").replaceChildren(...card.conflicts.map(conflictItem));
  byId("card-payments").replaceChildren(...credit.payments.map((payment) => {
    const about = [word("mode_", payment.mode), payment.reference, moment(payment.at), who(payment)];
    return holding("li", [
      element("p", cash(payment.amount), payment.reversed ? "money reversed" : "money"),
      element("p", [...about, payment.reversed && t("reversed")].filter(Boolean).join(" · "), "soft"),
    ]);
  }));
  byId("no-payments").hidden = credit.payments.length > 0;
  byId("card-history").replaceChildren(...history.map((event) => holding("li", [
    element("p", [word("event_", event.kind), ...eventDetails(event, credit)].filter(Boolean).join(" · ")),
    element("p", `${moment(event.at)} · ${who(event)}`, "soft"),
  ])));

  const settled = credit.status === "paye" || credit.status === "annule";
  forms.pay.hidden = settled;
  byId("cancel-part").hidden = settled || credit.payments.some((payment) => !payment.reversed);
  // What a cashier has typed is not overwritten by news of the credit.
  if (forms.pay.dataset.for !== credit.id) {
    forms.pay.dataset.for = credit.id;
    forms.pay.elements.amount.value = credit.remaining;
    fillAgents();
  }
}

function who(record) {
  const device = t("by_device", { device: record.device });
  return record.agent ? `${record.agent}, ${device}` : device;
}

function eventDetails(event, credit) {
  const details = event.details ?? {};
  if (event.kind === "grant" || event.kind === "pay") {
    return [money(details.amount, details.currency ?? credit.currency), details.mode && word("mode_", details.mode)];
  }
  if (event.kind === "edit") {
    const names = { name: "beneficiary_name", phone: "phone", address: "address", due_at: "due", notes: "notes" };
    return Object.entries(details).map(([key, value]) => {
      const text = value && key === "due_at" ? moment(value, true) : value ?? "–";
      return `${Object.hasOwn(names, key) ? t(names[key]) : key}: ${text}`;
    });
  }
  return [details.why];
}

// ---- Conflicts ----

function conflictItem(one) {
  const link = holding("a", [element("span", one.summary), element("span", one.todo, "name")]);
  link.href = `#${one.id}`;
  return holding("li", [link]);
}

async function loadInbox() {
  const query = shopQuery();
  query.set("handled", "false");
  query.set("limit", String(PAGE_ITEMS));
  const page = await ask(`conflicts?${query}`);
  if (location.hash !== "#conflicts") return;
  inbox = page;
  byId("inbox").replaceChildren(...inbox.items.map(conflictItem));
  byId("no-conflicts").hidden = inbox.items.length > 0;
  byId("more-conflicts").hidden = !inbox.next;
  if (!dialogs.inbox.open) dialogs.inbox.showModal();
}

async function loadConflict(id) {
  const found = await ask(`conflicts/${encodeURIComponent(id)}`);
  if (location.hash !== `#${id}`) return;
  conflict = found;
  showConflict();
  if (!dialogs.conflict.open) dialogs.conflict.showModal();
}

function showConflict() {
  const { credit, handled } = conflict;
  const link = credit && element("a", credit.reference);
  if (link) link.href = `#${credit.id}`;
  const settled = handled && [word("decide_", handled.decision.split("=")[0]), handled.why, moment(handled.at), who(handled)];
  const facts = [
    ["conflict_credit", link],
    ["sim", conflict.sim],
    ["conflict_decision", conflict.decision],
    ["conflict_rule", conflict.rule],
    ["conflict_todo", conflict.todo],
    ["conflict_handled", settled && settled.join(" · ")],
  ].filter(([, value]) => value).flatMap(([key, value]) => {
    return [element("dt", t(key)), value === link ? holding("dd", [link]) : element("dd", value)];
  });
  byId("conflict-facts").replaceChildren(element("p", conflict.summary), holding("dl", facts));
  byId("conflict-sides").replaceChildren(...conflict.sides.map((side) => holding("li", [
    element("p", side.value),
    element("p", [side.at && moment(side.at), who(side)].filter(Boolean).join(" · "), "soft"),
  ])));
  const form = forms.decide;
  form.hidden = handled !== null;
  fillChoice(form.elements.decision, conflict.decisions.map((name) => [name, word("decide_", name)]));
  fillChoice(form.elements.side, conflict.sides.map((side, index) => [String(index + 1), `${who(side)} : ${side.value}`]));
  // What a cashier has typed is not overwritten by news of the conflict.
  if (form.dataset.for !== conflict.id) {
    form.dataset.for = conflict.id;
    fillAgents();
  }
  showDecision();
}

/** What belongs to a decision is asked for with it, and sent only then. */
function showDecision() {
  const { decision, reference, side } = forms.decide.elements;
  for (const [field, name] of [[reference, "renumber"], [side, "take"]]) {
    field.disabled = decision.value !== name;
    field.closest("label").hidden = field.disabled;
  }
}

// ---- Going about ----

/** What the address names is open: a credit, the form to grant one, or neither. */
function go() {
  const name = decodeURIComponent(location.hash.slice(1));
  const asksForShare = name.startsWith("shares/");
  // Why a share is asked for stays in sight meanwhile.
  if (!outbox && notice?.kind !== "done" && !(asksForShare && notice?.lacks)) notice = null;
  showNotice();
  if (name !== "grant" && dialogs.grant.open) dialogs.grant.close();
  if (name === card?.id && dialogs.card.open) return;
  if (name === conflict?.id && dialogs.conflict.open) return;
  for (const dialog of [dialogs.card, dialogs.shares, dialogs.inbox, dialogs.conflict]) if (dialog.open) dialog.close();
  card = null;
  shares = null;
  inbox = null;
  conflict = null;
  forms.decide.reset();
  forms.decide.dataset.for = "";
  forms.pay.reset();
  forms.cancel.reset();
  forms.pay.dataset.for = "";
  byId("cancel-part").open = false;
  forms.ask.reset();
  if (notice?.lacks) forms.ask.elements.currency.value = notice.lacks.currency;
  if (!asksForShare && name !== "grant") resume = false;
  if (name === "grant") openGrant();
  else if (asksForShare) attempt(() => loadShares(name.slice("shares/".length)));
  else if (name === "conflicts") attempt(loadInbox);
  else if (name.startsWith("cf_")) attempt(() => loadConflict(name));
  else if (name.startsWith("cr_")) attempt(() => loadCard(name));
}

/** Back to the list, without a jump and without a new step in the browser's history. */
function leave() {
  history.replaceState(null, "", location.pathname);
  go();
}

function openGrant() {
  if (!resume) clearNotice();
  resume = false;
  const { reference } = forms.grant.elements;
  if (!reference.value) reference.value = newReference();
  fillAgents();
  showSpendable();
  if (!dialogs.grant.open) dialogs.grant.showModal();
  forms.grant.elements.amount.focus();
}

/** A reference that nobody is likely to have used: the day in the network's zone and six random digits. */
function newReference() {
  const zone = { timeZone: status?.time_zone ?? "UTC", year: "2-digit", month: "2-digit", day: "2-digit" };
  const day = new Intl.DateTimeFormat("en-CA", zone).format(new Date()).replace(/\D/g, "");
  const drawn = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000;
  return `CRED-${day}-${String(drawn).padStart(6, "0")}`;
}

function fillAgents() {
  for (const form of Object.values(forms)) {
    const { agent } = form.elements;
    if (agent && !agent.value) agent.value = stored(localStorage, "ucash.agent") ?? "";
  }
}

/** The filled fields of a form, by the names of the API; `a.b` is member `b` of `a`. */
function read(form) {
  const body = {};
  for (const [name, typed] of new FormData(form)) {
    const value = name === "amount" || name === "ask" ? typedAmount(typed) : typed.trim();
    if (value === "") continue;
    const [outer, inner] = name.split(".");
    if (inner) (body[outer] ??= {})[inner] = value;
    else body[outer] = value;
  }
  if (body.agent) store(localStorage, "ucash.agent", body.agent);
  return body;
}

function showTexts() {
  document.documentElement.lang = lang;
  for (const target of document.querySelectorAll("[data-text]")) setText(target, t(target.dataset.text));
  for (const target of document.querySelectorAll("[data-hint]")) target.placeholder = t(target.dataset.hint);
  for (const target of document.querySelectorAll("[data-label]")) target.setAttribute("aria-label", t(target.dataset.label));
  showStatus();
  showSims();
  if (shown) showCredits();
  if (card) showCard();
  if (shares) showShares();
  if (conflict) showConflict();
  showNotice();
}

function begin() {
  byId("language").addEventListener("click", () => {
    lang = lang === "fr" ? "en" : "fr";
    store(localStorage, "ucash.lang", lang);
    if (!outbox) notice = null;
    showTexts();
    // Conflicts are told by the node, in the language that it is asked in.
    if (inbox || conflict || card) refresh();
  });
  byId("access").addEventListener("submit", (event) => {
    event.preventDefault();
    store(sessionStorage, "ucash.token", event.target.elements.token.value.trim());
    event.target.reset();
    byId("access").hidden = true;
  });
  let typing = 0;
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      credits = [];
      if (!outbox) clearNotice();
      attempt(() => loadCredits(true));
    }, 250);
  });
  byId("more").addEventListener("click", () => attempt(() => loadCredits(false)));
  for (const choice of ["sim", "currency"]) forms.grant.elements[choice].addEventListener("change", showSpendable);
  forms.grant.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = read(forms.grant);
    send("grant", "credits", { beneficiary: {}, ...body });
  });
  for (const [name, end] of [["pay", "payments"], ["cancel", "cancellation"]]) {
    forms[name].addEventListener("submit", (event) => {
      event.preventDefault();
      if (card) send(name, `credits/${encodeURIComponent(card.id)}/${end}`, read(forms[name]));
    });
  }
  forms.ask.addEventListener("submit", (event) => {
    event.preventDefault();
    if (shares) send("ask", `sims/${encodeURIComponent(shares.sim)}/share-requests`, read(forms.ask));
  });
  forms.decide.elements.decision.addEventListener("change", showDecision);
  forms.decide.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!conflict) return;
    const body = read(forms.decide);
    if (body.side) body.side = forms.decide.elements.side.selectedIndex + 1;
    send("decide", `conflicts/${encodeURIComponent(conflict.id)}/resolution`, body);
  });
  for (const dialog of Object.values(dialogs)) {
    dialog.querySelector(".close").addEventListener("click", leave);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      leave();
    });
  }
  addEventListener("hashchange", go);
  showTexts();
  poll().then(go).then(follow);
}

begin();
