"""What a study is: its setting, its identity, its seeds."""
