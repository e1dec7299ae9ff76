//! A writer for the XML that awsQuery answers.

/// An element under construction.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    /// An element with children.
    pub(super) fn element(&mut self, name: &str, children: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        children(self);
        self.close(name);
        self
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: impl std::fmt::Display) -> &mut Self {
        self.open(name);
        for c in text.to_string().chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                c => self.0.push(c),
            }
        }
        self.close(name);
        self
    }

    /// A list of `<member>` elements.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| each(xml, item));
            }
        })
    }

    /// A list of texts.
    pub(super) fn texts<'a>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = &'a String>,
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.text("member", item);
            }
        })
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
}

/// The whole answer of an awsQuery operation.
pub(super) fn response(operation: &str, namespace: &str, request_id: &str, result: &str) -> String {
    let mut xml = Xml::default();
    xml.element("ResponseMetadata", |xml| {
        xml.text("RequestId", request_id);
    });
    let inner = xml.finish();
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}\
         </{operation}Result>{inner}</{operation}Response>"
    )
}

/// An awsQuery error.
pub(super) fn error(error: &super::AwsError, namespace: &str, request_id: &str) -> String {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        xml.text("Type", kind).text("Code", &error.code).text("Message", &error.message);
    });
    xml.text("RequestId", request_id);
    format!("<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>", xml.finish())
}
