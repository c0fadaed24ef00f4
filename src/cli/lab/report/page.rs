//! The page itself: HTML with its style and its few symbols in it.

use super::Sheet;
use super::rows::{Arrow, Icon, Row};
use crate::cli::lab::scenario::minute;
use crate::cli::lab::verdicts::Both;
use crate::http::Language;
use crate::http::messages::conflicts::conflict;
use crate::replica::ConflictView;

const STYLE: &str = include_str!("style.css");
const SYMBOLS: &str = include_str!("symbols.svg");
/// One click changes the language; without a script the page stays in French.
const SCRIPT: &str = "document.getElementById('lang').onclick=function(){var d=document.documentElement;\
d.lang=d.lang==='fr'?'en':'fr';this.textContent=d.lang==='fr'?'English':'Français'};";

/// How wide a lane is: with few devices names fit, with many the lanes do.
const LANE_WIDE_PX: u32 = 84;
const LANE_PX: u32 = 66;

/// The icons with what each means, as the key of the page.
const KEY: [(Icon, &str, &str); 10] = [
    (Icon::Done, "opération faite", "operation done"),
    (Icon::Refused, "refusée", "refused"),
    (Icon::Cut, "coupure", "cut"),
    (Icon::Back, "réseau revenu", "network back"),
    (Icon::PowerOff, "sans courant", "power lost"),
    (Icon::PowerOn, "redémarrage", "started again"),
    (Icon::Clock, "horloge", "clock"),
    (Icon::Conflict, "conflit", "conflict"),
    (Icon::Handled, "conflit traité", "conflict dealt with"),
    (Icon::Trouble, "autre panne", "other trouble"),
];

/// What stands between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A text in both languages, of which one is shown.
fn both(text: &Both) -> String {
    if text.french == text.english {
        return escaped(&text.french);
    }
    format!("<span lang=\"fr\">{}</span><span lang=\"en\">{}</span>", escaped(&text.french), escaped(&text.english))
}

fn said(french: &str, english: &str) -> String {
    both(&Both::new(french, english))
}

/// The whole page.
pub(super) fn page(sheet: &Sheet) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str(&format!("<title>{} · ucash lab</title>\n", escaped(&sheet.title.french)));
    let wide = if sheet.devices.len() <= 5 { LANE_WIDE_PX } else { LANE_PX };
    out.push_str(&format!(
        "<style>\n:root {{ --lanes: {}; --lane: {wide}px; }}\n{STYLE}</style>\n</head>\n<body>\n",
        sheet.devices.len()
    ));
    out.push_str(SYMBOLS);
    out.push_str(&head(sheet));
    out.push_str(&conflicts(sheet));
    out.push_str(&lanes(sheet));
    out.push_str(&foot(sheet));
    out.push_str(&format!("<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}

fn head(sheet: &Sheet) -> String {
    let mut out = String::from("<header>\n<button id=\"lang\" type=\"button\">English</button>\n");
    out.push_str(&format!("<h1>{}</h1>\n", both(&sheet.title)));
    if !sheet.about.is_empty() {
        out.push_str(&format!("<p class=\"about\">{}</p>\n", escaped(&sheet.about)));
    }
    out.push_str("<ul class=\"verdicts\">\n");
    for (holds, text) in &sheet.verdicts {
        let (class, mark) = if *holds { ("ok", "✓") } else { ("bad", "✗") };
        out.push_str(&format!("<li class=\"{class}\"><b>{mark}</b> {}</li>\n", both(text)));
    }
    out.push_str("</ul>\n</header>\n");
    out
}

fn icon(icon: Icon) -> String {
    format!("<svg class=\"i {0}\" aria-hidden=\"true\"><use href=\"#{0}\"/></svg>", icon.word())
}

fn lanes(sheet: &Sheet) -> String {
    let mut out = format!("<section>\n<h2>{}</h2>\n", said("Ce qui s'est passé", "What happened"));
    out.push_str("<p class=\"key\">");
    let used = |of: &Icon| sheet.rows.iter().any(|row| row.icons.iter().any(|(_, icon)| icon == of));
    for (of, french, english) in KEY.iter().filter(|(of, ..)| used(of)) {
        out.push_str(&format!("<span>{} {}</span> ", icon(*of), said(french, english)));
    }
    out.push_str("</p>\n");
    if sheet.left_out > 0 {
        let count = sheet.left_out;
        out.push_str(&format!(
            "<p class=\"note\">{}</p>\n",
            said(
                &format!("Les {count} premières lignes ne sont pas montrées : c'est trop pour une page. Réduisez la graine avec --shrink, ou donnez moins d'opérations."),
                &format!("The first {count} rows are not shown: they are too many for a page. Shrink the seed with --shrink, or give fewer operations."),
            )
        ));
    }
    out.push_str(
        "<div class=\"scroll\"><ol class=\"run\">\n<li class=\"row names\"><time></time><div class=\"lanes\">",
    );
    for (device, name) in sheet.devices.iter().enumerate() {
        out.push_str(&format!("<span class=\"lane\" style=\"--at:{device}\"><i>{}</i></span>", escaped(name)));
    }
    out.push_str("</div><p></p></li>\n");
    let mut day = String::new();
    for row in &sheet.rows {
        let at = minute(row.at_ms);
        let (date, time) = at.split_at_checked(10).unwrap_or((&at, ""));
        if date != day {
            day = date.to_owned();
            out.push_str(&format!("<li class=\"day\">{}</li>\n", escaped(date)));
        }
        out.push_str(&drawn(sheet, row, time.trim()));
    }
    out.push_str("</ol></div>\n</section>\n");
    out
}

fn drawn(sheet: &Sheet, row: &Row, time: &str) -> String {
    let mut classes = String::from("row");
    if !row.arrows.is_empty() {
        classes.push_str(" messages");
    }
    if row.wrong {
        classes.push_str(" wrong");
    }
    let mut out = String::new();
    out.push_str(&format!(
        "<li class=\"{classes}\"><time>{time}</time><div class=\"lanes\" style=\"--arrows:{}\">",
        row.arrows.len()
    ));
    for device in 0..sheet.devices.len() {
        let class = if row.off.contains(&device) { "lane off" } else { "lane" };
        let marks: Vec<String> = row.icons.iter().filter(|(of, _)| *of == device).map(|(_, of)| icon(*of)).collect();
        out.push_str(&format!("<span class=\"{class}\" style=\"--at:{device}\">{}</span>", marks.concat()));
    }
    for (place, arrow) in row.arrows.iter().enumerate() {
        out.push_str(&arrow_of(arrow, place));
    }
    let say = row.say.as_ref().map_or_else(String::new, |say| format!("<em>{}</em>", escaped(say)));
    out.push_str(&format!("</div><p>{say}{}</p></li>\n", both(&row.text)));
    out
}

fn arrow_of(arrow: &Arrow, place: usize) -> String {
    let Arrow { left, right, counts: [there, back] } = arrow;
    let mut heads = String::new();
    if *back > 0 {
        heads.push_str("<svg class=\"head l\" viewBox=\"0 0 6 8\"><path d=\"M6 0 0 4l6 4z\"/></svg>");
    }
    if *there > 0 {
        heads.push_str("<svg class=\"head r\" viewBox=\"0 0 6 8\"><path d=\"M0 0l6 4-6 4z\"/></svg>");
    }
    let wide = right - left;
    format!(
        "<span class=\"arrow\" style=\"--from:{left};--wide:{wide};--place:{place}\">{heads}<b>{}</b></span>",
        there + back
    )
}

fn conflicts(sheet: &Sheet) -> String {
    let mut out = format!("<section>\n<h2>{}</h2>\n", said("Conflits", "Conflicts"));
    if sheet.conflicts.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", said("Aucun conflit à la fin.", "No conflict at the end.")));
    }
    for view in &sheet.conflicts {
        out.push_str(&card(view));
    }
    out.push_str("</section>\n");
    out
}

fn card(view: &ConflictView) -> String {
    let (french, english) = (conflict(view, Language::French), conflict(view, Language::English));
    let mut out = format!("<article>\n<h3>{} <small>{}</small></h3>\n", french.kind.word(), french.id);
    out.push_str(&format!("<p>{}</p>\n<dl>\n", said(&french.summary, &english.summary)));
    let parts = [
        (("Décision", "Decision"), (&french.decision, &english.decision)),
        (("Règle", "Rule"), (&french.rule, &english.rule)),
        (("À faire", "To do"), (&french.todo, &english.todo)),
    ];
    for ((name, named), (text, told)) in parts {
        out.push_str(&format!("<dt>{}</dt><dd>{}</dd>\n", said(name, named), said(text, told)));
    }
    if let Some(handled) = &view.handled {
        let who = handled.agent.as_ref().map_or_else(String::new, |agent| format!("{agent}, "));
        let text = format!("{who}{} · {} · {}", handled.device, handled.decision, handled.why);
        out.push_str(&format!("<dt>{}</dt><dd>{}</dd>\n", said("Traité par", "Dealt with by"), escaped(&text)));
    }
    out.push_str("</dl>\n</article>\n");
    out
}

fn foot(sheet: &Sheet) -> String {
    format!(
        "<footer><p><code>{}</code></p><p>ucash {} · trace <code>{}</code> · UTC</p></footer>\n",
        escaped(&sheet.command),
        env!("CARGO_PKG_VERSION"),
        escaped(&sheet.trace)
    )
}
