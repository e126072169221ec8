//! `#[service]`: a trait's schema, client and server.

use proc_macro2::{Span, TokenStream};
use syn::{Error, Result};

pub(crate) fn expand(_arguments: TokenStream, _item: TokenStream) -> Result<TokenStream> {
    Err(Error::new(Span::call_site(), "`#[service]` isn't there yet"))
}
