//! What a person can mend on the machine itself, told one by one: the directory, the ports. Each has a code of its own
//! and ends with what to do.

use std::io::ErrorKind;

use crate::http::TlsError;
use crate::node::storage::DirectoryError;

/// A code, and the sentence in French and English.
pub(super) type Told = (&'static str, String, String);

/// Why an address could not be listened on; `flag` chooses another.
pub(super) fn listening(address: &impl std::fmt::Display, source: &std::io::Error, flag: &str) -> Told {
    match source.kind() {
        ErrorKind::AddrNotAvailable => (
            "address_not_here",
            format!(
                "Impossible d'écouter sur {address} ({source}) : cette adresse n'est pas celle de cette machine. Donnez-en une qu'elle porte avec {flag} (127.0.0.1 ou 0.0.0.0 conviennent toujours)."
            ),
            format!(
                "Cannot listen on {address} ({source}): that address is not this machine's. Give one that it has with {flag} (127.0.0.1 and 0.0.0.0 always do)."
            ),
        ),
        ErrorKind::PermissionDenied => (
            "port_not_allowed",
            format!(
                "Impossible d'écouter sur {address} ({source}) : le système réserve ce port. Choisissez-en un au-dessus de 1024 avec {flag}."
            ),
            format!(
                "Cannot listen on {address} ({source}): the system reserves this port. Choose one above 1024 with {flag}."
            ),
        ),
        _ => (
            "port_in_use",
            format!(
                "Impossible d'écouter sur {address} ({source}). Un autre programme tient peut-être ce port : choisissez-en un autre avec {flag} (le port 0 en prend un libre)."
            ),
            format!(
                "Cannot listen on {address} ({source}). Another program may hold this port: choose another with {flag} (port 0 takes a free one)."
            ),
        ),
    }
}

/// Why HTTPS cannot be spoken with the certificate that was named.
pub(super) fn certificate(error: &TlsError) -> Told {
    match error {
        TlsError::Unreadable { path, source } => (
            "tls_unreadable",
            format!(
                "{} ne peut pas être lu ({source}). Rien n'a été démarré : vérifiez le nom du fichier, et que ce programme a le droit de le lire.",
                path.display()
            ),
            format!(
                "{} cannot be read ({source}). Nothing was started: check the file's name, and that this program may read it.",
                path.display()
            ),
        ),
        TlsError::NoCertificate { path } => (
            "tls_no_certificate",
            format!(
                "{} ne contient pas de certificat lisible (PEM, « BEGIN CERTIFICATE »). Rien n'a été démarré : donnez le bon fichier avec --tls-cert.",
                path.display()
            ),
            format!(
                "{} holds no readable certificate (PEM, \"BEGIN CERTIFICATE\"). Nothing was started: give the right file with --tls-cert.",
                path.display()
            ),
        ),
        TlsError::NoKey { path } => (
            "tls_no_key",
            format!(
                "{} ne contient pas de clé privée lisible (PEM, sans phrase secrète). Rien n'a été démarré : donnez le bon fichier avec --tls-key.",
                path.display()
            ),
            format!(
                "{} holds no readable private key (PEM, without a passphrase). Nothing was started: give the right file with --tls-key.",
                path.display()
            ),
        ),
        TlsError::OtherKey { certificates, key } => (
            "tls_other_key",
            format!(
                "La clé de {} n'est pas celle du certificat de {}. Rien n'a été démarré : donnez la clé avec laquelle ce certificat a été demandé.",
                key.display(),
                certificates.display()
            ),
            format!(
                "The key in {} is not that of the certificate in {}. Nothing was started: give the key with which this certificate was asked for.",
                key.display(),
                certificates.display()
            ),
        ),
        TlsError::Unfit(source) => (
            "tls_unfit",
            format!(
                "Ce certificat ou sa clé ne peuvent pas servir ({source}). Rien n'a été démarré : demandez un certificat à clé ECDSA, Ed25519 ou RSA."
            ),
            format!(
                "This certificate or its key cannot be used ({source}). Nothing was started: ask for a certificate with an ECDSA, Ed25519 or RSA key."
            ),
        ),
    }
}

/// Why a data directory cannot be used, where a person can mend that; `None` for what is told elsewhere.
pub(super) fn directory(error: &DirectoryError) -> Option<Told> {
    Some(match error {
        DirectoryError::Missing { path } => (
            "no_device",
            format!(
                "Le répertoire {} n'existe pas. Indiquez le bon avec --data, fondez un réseau (ucash init) ou rejoignez-en un (ucash join). Si ses données ont été effacées, reprenez une sauvegarde (ucash restore).",
                path.display()
            ),
            format!(
                "The directory {} does not exist. Name the right one with --data, found a network (ucash init) or join one (ucash join). If its data were deleted, restore a backup (ucash restore).",
                path.display()
            ),
        ),
        DirectoryError::NotADirectory { path } => (
            "not_a_directory",
            format!("{} n'est pas un répertoire. Indiquez-en un avec --data. Rien n'a été changé.", path.display()),
            format!("{} is not a directory. Name one with --data. Nothing was changed.", path.display()),
        ),
        DirectoryError::NotWritable { path } => (
            "directory_not_writable",
            format!(
                "{} ne peut pas être écrit : ce répertoire n'est pas à cet utilisateur, ou le disque est en lecture seule. Rendez-le accessible en écriture (chown, chmod, mount -o remount,rw), ou lancez ucash sous le bon utilisateur. Rien n'a été changé.",
                path.display()
            ),
            format!(
                "{} cannot be written: the directory is not this user's, or the disk is read-only. Make it writable (chown, chmod, mount -o remount,rw), or run ucash as the right user. Nothing was changed.",
                path.display()
            ),
        ),
        DirectoryError::LocksUnsupported { path } => (
            "directory_without_locks",
            format!(
                "{} ne peut pas être verrouillé : deux processus pourraient y écrire à la fois. Mettez les données sur un disque local (pas un partage réseau), avec --data. Rien n'a été changé.",
                path.display()
            ),
            format!(
                "{} cannot be locked: two processes could write there at once. Keep the data on a local disk (no network share), with --data. Nothing was changed.",
                path.display()
            ),
        ),
        DirectoryError::FormatMissing { path } | DirectoryError::FormatUnreadable { path, .. } => (
            "directory_foreign",
            format!(
                "{} ne dit pas qu'il a été fait par ucash : ce n'est pas un répertoire de données, ou il est abîmé. Indiquez le bon avec --data, ou reprenez une sauvegarde (ucash restore). Rien n'a été changé.",
                path.display()
            ),
            format!(
                "{} does not say that ucash made it: it is no data directory, or it is damaged. Name the right one with --data, or restore a backup (ucash restore). Nothing was changed.",
                path.display()
            ),
        ),
        DirectoryError::Io { path, source, .. } => (
            "directory",
            format!(
                "Le système n'a pas pu se servir de {} ({source}). Vérifiez le disque et les droits, puis recommencez. Rien n'a été changé.",
                path.display()
            ),
            format!(
                "The system could not use {} ({source}). Check the disk and the permissions, then try again. Nothing was changed.",
                path.display()
            ),
        ),
        DirectoryError::InUse { .. } | DirectoryError::TooNew { .. } | DirectoryError::Full { .. } => return None,
    })
}
