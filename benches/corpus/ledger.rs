//! A small double-entry ledger: accounts, transactions, balances and a monthly report.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead},
};

/// An amount in cents; negative amounts are credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

impl Amount {
    pub fn parse(text: &str) -> Result<Amount, ParseError> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, cents) = digits.split_once('.').unwrap_or((digits, "0"));
        let whole: i64 = whole.parse().map_err(|_| ParseError::Amount(text.to_string()))?;
        let cents: i64 = cents.parse().map_err(|_| ParseError::Amount(text.to_string()))?;
        Ok(Amount(sign * (whole * 100 + cents)))
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn abs(self) -> Amount {
        Amount(self.0.abs())
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Amount>>(amounts: I) -> Amount {
        Amount(amounts.map(|amount| amount.0).sum())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.abs() / 100, self.0.abs() % 100)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum ParseError {
    Amount(String),
    Date(String),
    MissingField { line: usize, field: &'static str },
    Unbalanced { line: usize, difference: Amount },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: u16,
    pub month: u8,
}

impl Month {
    fn parse(text: &str) -> Result<Month, ParseError> {
        let error = || ParseError::Date(text.to_string());
        let (year, month) = text.split_once('-').ok_or_else(error)?;
        let year = year.parse().map_err(|_| error())?;
        let month = month.parse().map_err(|_| error())?;
        if !(1..=12).contains(&month) {
            return Err(error());
        }
        Ok(Month { year, month })
    }

    fn next(self) -> Month {
        if self.month == 12 {
            Month { year: self.year + 1, month: 1 }
        } else {
            Month { year: self.year, month: self.month + 1 }
        }
    }
}

/// One side of a transaction.
#[derive(Clone, Debug)]
pub struct Posting {
    pub account: String,
    pub amount: Amount,
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub month: Month,
    pub note: String,
    pub postings: Vec<Posting>,
}

impl Transaction {
    /// What is missing for the transaction to balance; zero when it does.
    pub fn difference(&self) -> Amount {
        self.postings.iter().map(|posting| posting.amount).sum()
    }

    pub fn touches(&self, account: &str) -> bool {
        self.postings.iter().any(|posting| posting.account == account)
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    transactions: Vec<Transaction>,
    accounts: BTreeMap<String, Amount>,
}

impl Ledger {
    pub fn new() -> Ledger {
        Ledger::default()
    }

    pub fn add(&mut self, transaction: Transaction) {
        for posting in &transaction.postings {
            let balance = self.accounts.entry(posting.account.clone()).or_default();
            *balance += posting.amount;
        }
        self.transactions.push(transaction);
    }

    /// Reads one transaction per line: month, note, then pairs of account and amount, separated by tabs.
    pub fn read(&mut self, reader: impl BufRead) -> io::Result<Vec<ParseError>> {
        let mut errors = Vec::new();
        for (idx, line) in reader.lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(idx + 1, &line) {
                Ok(transaction) => self.add(transaction),
                Err(error) => errors.push(error),
            }
        }
        Ok(errors)
    }

    pub fn balance(&self, account: &str) -> Amount {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    pub fn monthly_totals(&self, account: &str) -> BTreeMap<Month, Amount> {
        let mut totals = BTreeMap::new();
        for transaction in &self.transactions {
            for posting in &transaction.postings {
                if posting.account == account {
                    let total: &mut Amount = totals.entry(transaction.month).or_default();
                    *total += posting.amount;
                }
            }
        }
        totals
    }

    pub fn largest(&self, count: usize) -> Vec<&Transaction> {
        let mut sorted: Vec<&Transaction> = self.transactions.iter().collect();
        sorted.sort_by_key(|transaction| {
            let amounts = transaction.postings.iter().map(|posting| posting.amount.abs());
            std::cmp::Reverse(amounts.max().unwrap_or_default())
        });
        sorted.truncate(count);
        sorted
    }
}

fn parse_line(line: usize, text: &str) -> Result<Transaction, ParseError> {
    let mut fields = text.split('\t');
    let month = fields.next().ok_or(ParseError::MissingField { line, field: "month" })?;
    let note = fields.next().ok_or(ParseError::MissingField { line, field: "note" })?;
    let mut postings = Vec::new();
    while let Some(account) = fields.next() {
        let amount = fields.next().ok_or(ParseError::MissingField { line, field: "amount" })?;
        postings.push(Posting { account: account.to_string(), amount: Amount::parse(amount)? });
    }
    let transaction = Transaction { month: Month::parse(month)?, note: note.to_string(), postings };
    let difference = transaction.difference();
    if difference.is_zero() {
        Ok(transaction)
    } else {
        Err(ParseError::Unbalanced { line, difference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balanced_line_is_added() {
        let mut ledger = Ledger::new();
        let errors = ledger.read("2024-03\trent\tbank\t-700.00\thome\t700.00\n".as_bytes()).unwrap();
        assert!(errors.is_empty());
        assert_eq!(ledger.balance("home"), Amount(70000));
        assert_eq!(ledger.balance("bank"), Amount(-70000));
    }

    #[test]
    fn december_is_followed_by_january() {
        let december = Month { year: 2023, month: 12 };
        assert_eq!(december.next(), Month { year: 2024, month: 1 });
    }
}
