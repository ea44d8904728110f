"""What a study is: its setting, its definition, its identity, its folder."""
