-- Changes of a rollout are a handful among thousands of minutes. `history` and
-- `status` find them by their kind without reading what lies between.
CREATE INDEX rollout_journal_by_kind ON rollout_journal (rollout, kind, seq);
