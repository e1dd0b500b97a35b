"""What teachers use: decks, assignments, plans of a course."""
