//! What entries do, in words. It names; it explains nothing away: what has no word here
//! is shown by the interface's own.

/// A word of the interface, in French, in English.
type Word = (&'static str, &'static str, &'static str);

const KINDS: [Word; 32] = [
    ("found", "fonde le réseau", "founds the network"),
    ("add_shop", "ajoute une agence", "adds a shop"),
    ("certify", "admet un appareil", "admits a device"),
    ("revoke", "exclut un appareil", "revokes a device"),
    ("rename_device", "renomme un appareil", "renames a device"),
    ("add_sim", "ajoute une SIM", "adds a SIM"),
    ("name_keeper", "nomme un gardien", "names a keeper"),
    ("name_gateway", "désigne une passerelle", "names a gateway"),
    ("stop", "arrête un journal", "stops a log"),
    ("close", "clôt une vie d'appareil", "closes a device's life"),
    ("move_sim", "déplace une SIM", "moves a SIM"),
    ("sight", "dit ce qui est vu", "says what is seen"),
    ("correct_clock", "corrige son heure", "corrects its time"),
    ("take_over", "reprend des parts", "takes shares over"),
    ("describe_shop", "décrit l'agence", "describes the shop"),
    ("move", "mouvement", "movement"),
    ("validate_capture", "valide une capture", "validates a capture"),
    ("reimburse", "rembourse", "reimburses"),
    ("reverse_movement", "annule un mouvement", "reverses a movement"),
    ("take_gift", "prend une part donnée", "takes a given share"),
    ("bear_gift", "porte une part donnée", "bears a given share"),
    ("grant", "accorde un crédit", "grants a credit"),
    ("pay", "paiement", "payment"),
    ("reverse_payment", "annule un paiement", "reverses a payment"),
    ("cancel", "annule le crédit", "cancels the credit"),
    ("return", "rend une part", "returns a share"),
    ("give_back", "rend de l'argent reçu", "gives received money back"),
    ("reinstate", "rétablit le crédit", "reinstates the credit"),
    ("renumber", "change la référence", "changes the reference"),
    ("resolve", "traite un conflit", "deals with a conflict"),
    ("edit", "corrige des coordonnées", "edits contact details"),
    ("unreadable", "illisible", "unreadable"),
];

fn word<'a>(words: &[Word], name: &'a str, pick: impl Fn(&'static str, &'static str) -> &'static str) -> &'a str {
    words.iter().find(|(code, ..)| *code == name).map_or(name, |(_, french, english)| pick(french, english))
}

/// What an entry of that kind does.
pub(super) fn kind(name: &str, pick: impl Fn(&'static str, &'static str) -> &'static str) -> &str {
    word(&KINDS, name, pick)
}
