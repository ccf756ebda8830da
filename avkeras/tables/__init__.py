"""The papers' result tables: what they hold, the runs behind them, and the numbers beside the published ones."""
