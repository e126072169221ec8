//! Why the product service says no.

use std::fmt;

use micronet_wire::schema::Message;

/// Why the product service says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum ProductError {
    /// No product bears this name or number.
    #[status(404)]
    ProductNotFound {
        /// The name that was asked for.
        name: String,
    },
    /// There are not enough pieces.
    #[status(409)]
    OutOfStock {
        /// The product's name.
        name: String,
        /// How many were wanted.
        requested: u32,
        /// How many there are.
        available: u64,
    },
    /// The token's pieces are not set aside (any more).
    #[status(409)]
    NotReserved {
        /// What became of them.
        state: String,
    },
    /// Another product on sale bears this name.
    #[status(409)]
    ProductAlreadyExists {
        /// The name.
        name: String,
    },
    /// Products on sale bear names that were given, or one was given twice: nothing was imported.
    #[status(409)]
    ProductsAlreadyExist {
        /// The names; the first few of many.
        names: Vec<String>,
        /// How many there are.
        count: u64,
    },
    /// The catalog holds as many products as it can.
    #[status(409)]
    CatalogFull {
        /// How many that is.
        products_max: u64,
    },
    /// More pieces than a stock can count.
    #[status(409)]
    StockFull {
        /// The product's name.
        name: String,
        /// How many pieces can ever come in.
        pieces_max: u64,
    },
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProductNotFound { name } => write!(f, "there is no product named {name:?}"),
            Self::OutOfStock { name, requested, available } => {
                write!(f, "{requested} of {name:?} were wanted, but {available} are in stock")
            }
            Self::NotReserved { state } => write!(f, "nothing is reserved under this token: {state}"),
            Self::ProductAlreadyExists { name } => write!(f, "there is a product named {name:?} already"),
            Self::ProductsAlreadyExist { count, .. } => {
                write!(
                    f,
                    "there are products of {count} of these names already, or they are given twice: nothing was imported"
                )
            }
            Self::CatalogFull { products_max } => {
                write!(f, "the catalog is full: it holds {products_max} products")
            }
            Self::StockFull { name, pieces_max } => {
                write!(f, "no more than {pieces_max} pieces of {name:?} can ever come in")
            }
        }
    }
}
