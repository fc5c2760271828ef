"""Filters of series: what is known of a hidden state after each observation."""
