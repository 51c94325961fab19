//! What an earlier run left in the folder.

use std::{collections::BTreeSet, fs, net::IpAddr, path::Path};

use anyhow::{Context, anyhow};
use x509_parser::{extensions::GeneralName, pem::parse_x509_pem};

/// A certificate that is there.
struct Found {
    issuer: String,
    names: Vec<String>,
}

/// The names that the certificate in `file` bears; none, if there is no such file.
///
/// # Errors
///
/// It holds something else.
pub fn names(file: &Path) -> anyhow::Result<Vec<String>> {
    if !file.try_exists()? {
        return Ok(Vec::new());
    }
    read(file)
        .map(|found| found.names)
        .with_context(|| format!("{} is there and no certificate", file.display()))
}

/// Whose certificates, with their keys, `issuer` signed, among those in `folder` whose name `is_client`.
///
/// # Errors
///
/// The folder can't be read.
pub fn clients(
    folder: &Path,
    issuer: &str,
    is_client: impl Fn(&str) -> bool,
) -> anyhow::Result<BTreeSet<String>> {
    let mut clients = BTreeSet::new();
    for file in fs::read_dir(folder)? {
        let file = file?.path();
        let Some(name) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".pem"))
        else {
            continue;
        };
        // Whatever else somebody keeps here stays as it is.
        let has_key = folder.join(format!("{name}-key.pem")).exists();
        let is_ours = || read(&file).is_ok_and(|found| found.issuer == issuer);
        if is_client(name) && has_key && is_ours() {
            clients.insert(name.to_owned());
        }
    }
    Ok(clients)
}

fn read(file: &Path) -> anyhow::Result<Found> {
    let text = fs::read(file)?;
    let (_, pem) = parse_x509_pem(&text).map_err(|error| anyhow!("{error}"))?;
    let certificate = pem.parse_x509().map_err(|error| anyhow!("{error}"))?;
    let issuer = certificate.issuer().iter_common_name().next();
    let issuer = issuer.and_then(|name| name.as_str().ok()).unwrap_or_default();
    let names = certificate.subject_alternative_name()?;
    let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(text_of);
    Ok(Found { issuer: issuer.to_owned(), names: names.collect() })
}

fn text_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
