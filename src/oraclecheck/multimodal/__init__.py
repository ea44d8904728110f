"""Language models that see: their files, their networks, and the conversations that they are trained on."""
