/*M!999999\- enable the sandbox mode */ 
CREATE SEQUENCE `task_id_sequence` start with 1 minvalue 1 maxvalue 9223372036854775806 increment by 1 cache 1000 nocycle ENGINE=InnoDB;
DO SETVAL(`task_id_sequence`, 1001, 0);
CREATE SEQUENCE `taskset_id_sequence` start with 1 minvalue 1 maxvalue 9223372036854775806 increment by 1 cache 1000 nocycle ENGINE=InnoDB;
DO SETVAL(`taskset_id_sequence`, 1001, 0);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `celery_taskmeta` (
  `id` int(11) NOT NULL,
  `task_id` varchar(155) DEFAULT NULL,
  `status` varchar(50) DEFAULT NULL,
  `result` blob DEFAULT NULL,
  `date_done` datetime DEFAULT NULL,
  `traceback` text DEFAULT NULL,
  `children` blob DEFAULT NULL,
  `name` varchar(155) DEFAULT NULL,
  `args` blob DEFAULT NULL,
  `kwargs` blob DEFAULT NULL,
  `worker` varchar(155) DEFAULT NULL,
  `retries` int(11) DEFAULT NULL,
  `queue` varchar(155) DEFAULT NULL,
  `stamps` blob DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `task_id` (`task_id`),
  KEY `ix_celery_taskmeta_date_done` (`date_done`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `celery_taskmeta` VALUES (1,'moment','SUCCESS',0x31373935363836343332,'2026-11-26 04:47:12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `celery_taskmeta` VALUES (2,'member-1','SUCCESS',0x31373935363836343332,'2026-11-26 04:47:12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `celery_taskmeta` VALUES (3,'member-2','SUCCESS',0x31373935363836343332,'2026-11-26 04:47:12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO `celery_taskmeta` VALUES (4,'started','STARTED',0x7B22706964223A2031383736362C2022686F73746E616D65223A20226F6E654068657265227D,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `celery_tasksetmeta` (
  `id` int(11) NOT NULL,
  `taskset_id` varchar(155) DEFAULT NULL,
  `result` blob DEFAULT NULL,
  `date_done` datetime DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `taskset_id` (`taskset_id`),
  KEY `ix_celery_tasksetmeta_date_done` (`date_done`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;
INSERT INTO `celery_tasksetmeta` VALUES (1,'group',0x5B5B2267726F7570222C206E756C6C5D2C205B5B5B226D656D6265722D31222C206E756C6C5D2C206E756C6C5D2C205B5B226D656D6265722D32222C206E756C6C5D2C206E756C6C5D5D5D,'2026-11-26 09:47:11');
