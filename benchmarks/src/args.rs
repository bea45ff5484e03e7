//! Command lines of the form `--name value`.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// The arguments of this process.
#[derive(Debug)]
pub struct Args(HashMap<String, String>);

impl Args {
    /// Read them; ends the process with 2 when a name has no value.
    pub fn read() -> Args {
        let mut values = HashMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match (word.strip_prefix("--"), words.next()) {
                (Some(name), Some(value)) => values.insert(name.to_owned(), value),
                _ => fail(&format!("{word}: expected --name value")),
            };
        }
        Args(values)
    }

    /// The value of `--name`, or `default`; ends the process with 2 when it cannot be read.
    pub fn get<T: FromStr>(&self, name: &str, default: T) -> T
    where
        T::Err: Display,
    {
        match self.0.get(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => fail(&format!("--{name}: {error}")),
        }
    }
}

/// Say why on standard error and end the process.
pub fn fail(text: &str) -> ! {
    eprintln!("{text}");
    std::process::exit(2)
}
