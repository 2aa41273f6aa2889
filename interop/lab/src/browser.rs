//! A headless Chromium that does what a person does, and waits until it sees what is expected.

use std::{path::Path, time::Duration};

use openssl::base64;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use crate::driver::Driver;

/// How long one condition may take. Far above what is needed, since other tests use the same processors.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The name that WebDriver has for an element's reference.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Which colours the page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If chromedriver or Chromium does not start.
    pub async fn start() -> Self {
        Self {
            driver: Driver::start().await,
        }
    }

    async fn command(&self, method: &str, path: &str, body: Option<Json>) -> Json {
        match self.driver.command(method, path, body.as_ref()).await {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// Opens an address.
    ///
    /// # Panics
    /// If that fails.
    pub async fn open(&self, url: &str) {
        self.command("POST", "/url", Some(json!({ "url": url })))
            .await;
    }

    /// Sets the window's size.
    ///
    /// # Panics
    /// If that fails.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height });
        self.command("POST", "/window/rect", Some(size)).await;
    }

    /// Runs a script in the page and answers what it returns.
    ///
    /// # Panics
    /// If it fails.
    pub async fn run(&self, script: &str, arguments: &[Json]) -> Json {
        let body = json!({ "script": script, "args": arguments });
        self.command("POST", "/execute/sync", Some(body)).await
    }

    /// Waits until something matches the selector and answers its reference.
    async fn find(&self, selector: &str) -> String {
        let body = json!({ "using": "css selector", "value": selector });
        self.until(&format!("there is {selector}"), async || {
            let found = self.driver.command("POST", "/element", Some(&body)).await;
            found.ok()?[ELEMENT].as_str().map(str::to_owned)
        })
        .await
    }

    /// Asks again and again until there is an answer.
    async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            if Instant::now() > end {
                let text = self.run("return document.body.innerText", &[]).await;
                panic!(
                    "waited in vain until {what}; the page says:\n{}",
                    text.as_str().unwrap_or("")
                );
            }
            sleep(PAUSE).await;
        }
    }

    /// Clicks. An element that moves away under the pointer, as those of a page that changes do, is clicked anew.
    ///
    /// # Panics
    /// If there is none, or something is always before it.
    pub async fn click(&self, selector: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.find(selector).await;
            // WebDriver takes what is under the page's menu for visible; a person scrolls.
            let centre = "arguments[0].scrollIntoView({ block: 'center' })";
            let reference = json!({ ELEMENT: &element });
            let body = json!({ "script": centre, "args": [reference] });
            let _ = self
                .driver
                .command("POST", "/execute/sync", Some(&body))
                .await;
            let path = format!("/element/{element}/click");
            let clicked = self.driver.command("POST", &path, Some(&json!({}))).await;
            let Err(error) = clicked else { return };
            assert!(Instant::now() < end, "{selector} can't be clicked: {error}");
            sleep(PAUSE).await;
        }
    }

    /// Writes into a field, in the place of what is there.
    ///
    /// # Panics
    /// If there is none.
    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.command(
            "POST",
            &format!("/element/{element}/clear"),
            Some(json!({})),
        )
        .await;
        let keys = json!({ "text": text });
        self.command("POST", &format!("/element/{element}/value"), Some(keys))
            .await;
    }

    /// Presses a key in whatever has the focus, such as `"\u{e004}"` for Tab.
    ///
    /// # Panics
    /// If that fails.
    pub async fn press(&self, key: &str) {
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }] });
        self.command("POST", "/actions", Some(actions)).await;
    }

    /// What is written in an element, whether or not it is in sight.
    ///
    /// # Panics
    /// If there is none.
    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await;
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        let text = self.run(script, &[selector.into()]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What stands in a field.
    ///
    /// # Panics
    /// If there is none.
    pub async fn value(&self, selector: &str) -> String {
        self.find(selector).await;
        let script = "return document.querySelector(arguments[0]).value";
        let text = self.run(script, &[selector.into()]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element says this, and answers all that it says.
    ///
    /// # Panics
    /// If it never does.
    pub async fn says(&self, selector: &str, text: &str) -> String {
        self.until(&format!("{selector} says {text:?}"), async || {
            Some(self.text(selector).await).filter(|said| said.contains(text))
        })
        .await
    }

    /// Waits until an expression of the page's script is true.
    ///
    /// # Panics
    /// If it never is.
    pub async fn holds(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        self.until(&format!("{expression} holds"), async || {
            (self.run(&script, &[]).await == Json::Bool(true)).then_some(())
        })
        .await;
    }

    /// What the browser complained of since it was asked last: errors of scripts, what the policy of the page forbids.
    ///
    /// # Panics
    /// If it does not tell.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self
            .command("POST", "/se/log", Some(json!({ "type": "browser" })))
            .await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = |entry: &&Json| entry["level"] == "SEVERE" || entry["source"] == "security";
        entries
            .iter()
            .filter(severe)
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Chooses the page's colours, as its button does; they hold from the next page on.
    ///
    /// # Panics
    /// If that fails.
    pub async fn theme(&self, theme: Theme) {
        let name = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        self.run(
            "localStorage.setItem('theme', arguments[0])",
            &[name.into()],
        )
        .await;
    }

    /// Writes a picture of the window, PNG.
    ///
    /// # Panics
    /// If that fails.
    pub async fn picture(&self, file: &Path) {
        let picture = self.command("GET", "/screenshot", None).await;
        let picture = base64::decode_block(picture.as_str().unwrap_or_default()).expect("base64");
        std::fs::write(file, picture).expect("a file");
    }

    /// Ends it.
    pub async fn quit(self) {
        self.driver.quit().await;
    }
}
