"""What the JSON API takes and gives, a module per room; what is read and what is written are models apart."""
