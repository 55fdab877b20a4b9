"""The database: connections and their secrets, plans, intents, links, states, lanes. Time is handed in."""
