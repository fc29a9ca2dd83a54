// Run by the image once, on an empty data directory: the account that Usher's services use.
// It may read and write the one database that is Usher's, and nothing else.
db.getSiblingDB("usher").createUser({
  user: "usher",
  pwd: process.env.USHER_MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "usher" }],
});
