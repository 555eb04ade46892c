def round1: . * 10 | round / 10 | tostring;
"| line, Gbit/s | frame, bytes | direction | Mpps | ns allowed | ns used | of it the cipher | cores | cores without the cipher |", "|--:|--:|---|--:|--:|--:|--:|--:|--:|",
(.[] | "| \(.gigabits) | \(.frame) | \(.side) | \(.packets / 1e6 * 100 | round / 100) | \(.allowed | round1) | \(.used | round1) | \(.aead | round1) | \(.cores | round1) | \(.cores_without_cipher | round1) |")
