//! Embeds the library of the live page, which npm brings into `src/serve/node_modules` (`scripts/setup.sh`). Where it is not
//! there, the page is left out of the program, and `gridboard serve` says so.

use std::{fs, path::Path};

const FOLDER: &str = "src/serve/node_modules/uplot";

/// Writes `vendor.rs` for `src/serve/assets.rs`: the script, the style sheet and the licence of uPlot, or nothing.
pub(crate) fn embed(out: &Path) {
    println!("cargo:rerun-if-changed=src/serve");
    let folder = Path::new(FOLDER);
    let files = ["dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"].map(|name| folder.join(name));
    let texts: Vec<String> = files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let value = match texts.as_slice() {
        [script, style, licence] => format!("Some([{script:?}, {style:?}, {licence:?}])"),
        _ => {
            println!(
                "cargo:warning=the live page is left out: {FOLDER} is not there; scripts/setup.sh brings it"
            );
            "None".to_owned()
        }
    };
    let source =
        format!("/// Script, style sheet and licence of uPlot.\nconst UPLOT: Option<[&str; 3]> = {value};\n");
    fs::write(out.join("vendor.rs"), source).expect("the build's folder can be written");
}
