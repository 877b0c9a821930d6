"""Load control: admission, the queue, deadlines, and memory for request bodies."""
